# Everything a person does here; `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DAGSTER_DISABLE_TELEMETRY := 1

.PHONY: help demo dev dev-demo test check bench drills audit pictures lock clean

help: ## what can be done
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | awk -F"|" '{printf "%-18s %s\n", $$1, $$2}'

demo: $(VENV)/.run ## the whole way on this machine, with no key and no network
	$(BIN)/grabient demo $(ARGS)

dev: $(VENV)/.run ## the Dagster UI with its daemon on 127.0.0.1
	$(BIN)/grabient dev

dev-demo: $(VENV)/.run ## the same on the sandbox: no key, no cost
	$(BIN)/grabient dev --demo

# One more than there are cores: some tests mostly wait, for a daemon or a server.
test: $(VENV)/.dev ## all tests
	$(BIN)/python -m pytest -n $$(( $$(nproc) + 1 )) --dist worksteal $(ARGS)

check: $(VENV)/.dev ## lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

bench: $(VENV)/.dev ## the figures of the README, as ratios to a floor measured in the same run
	$(BIN)/python -m benchmarks $(ARGS)

drills: $(VENV)/.dev ## break things on purpose: is anything paid twice, is anything lost?
	$(BIN)/python -m drills $(ARGS)

audit: $(VENV)/.dev ## known vulnerabilities of what the project depends on (asks a database on the network)
	$(BIN)/python scripts/audit.py

pictures: $(VENV)/.dev ## make the pictures of the documents anew (needs Chromium)
	$(BIN)/python scripts/make_screenshots.py

lock: $(VENV)/.dev ## make the hashed requirements files anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-strip-extras --annotation-style line --extra install pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-strip-extras --annotation-style line --extra install --extra dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt

clean: ## remove the environment (data stays)
	rm -rf $(VENV)

# A stamp is newer than its requirements file once they are installed, so a second run installs nothing.
$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run
