# Every task of the project; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-strip-extras --annotation-style line
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DAGSTER_DISABLE_TELEMETRY := 1

.PHONY: help demo dev dev-demo test check bench drills audit pictures lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | awk -F"|" '{printf "%-18s %s\n", $$1, $$2}'

demo: $(VENV)/.run ## run the whole pipeline on the sandbox, without keys or network
	$(BIN)/grabient demo $(ARGS)

dev: $(VENV)/.run ## run the Dagster UI and its daemon on 127.0.0.1
	$(BIN)/grabient dev

dev-demo: $(VENV)/.run ## run Dagster on the sandbox, without keys or cost
	$(BIN)/grabient dev --demo

# One worker more than cores: some tests mostly wait for a daemon or a server.
test: $(VENV)/.dev ## run all tests
	$(BIN)/python -m pytest -n $$(( $$(nproc) + 1 )) --dist worksteal $(ARGS)

check: $(VENV)/.dev ## check formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

bench: $(VENV)/.dev ## measure the documented figures, as ratios to a baseline of the same run
	$(BIN)/python -m benchmarks $(ARGS)

drills: $(VENV)/.dev ## inject crashes and faults; verify that nothing is lost or paid twice
	$(BIN)/python -m drills $(ARGS)

audit: $(VENV)/.dev ## check the dependencies for known vulnerabilities (needs the network)
	$(BIN)/python scripts/audit.py

pictures: $(VENV)/.dev ## redraw the pictures in the documents (needs Chromium)
	$(BIN)/python scripts/make_screenshots.py

# Keeps the versions that still fit; `make lock ARGS=--upgrade` takes the newest ones.
lock: $(VENV)/.dev ## resolve the hashed requirements files from pyproject.toml
	$(LOCK) $(ARGS) --group install -o requirements/run.txt
	$(LOCK) $(ARGS) --group dev --constraints requirements/run.txt -o requirements/dev.txt

clean: ## remove the virtual environment, but no data
	rm -rf $(VENV)

# The stamps .run and .dev make a second run install nothing.
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
