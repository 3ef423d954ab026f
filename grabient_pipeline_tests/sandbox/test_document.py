"""The document about the sandbox is complete, and its examples work unchanged."""

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest

from grabient_pipeline.sandbox.control import Control
from grabient_pipeline.sandbox.discovery import FAULTS, PROVIDERS
from grabient_pipeline.sandbox.faults.registry import CALLS, SCOPES

DOCUMENT = Path(__file__).parents[2] / "docs" / "sandbox.md"
TEXT = DOCUMENT.read_text("utf-8")
ADDRESS = "http://127.0.0.1:8900"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


CURLS = [block for block in blocks("sh") if block.startswith("curl")]


def row_of(name):
    """Return the line of the document about a fault."""
    kind = FAULTS[name]
    parameters = ", ".join(f"`{parameter}` {default(value)}" for parameter, value in kind.parameters.items())
    providers = "all" if len(kind.providers) == len(PROVIDERS) else ", ".join(kind.providers)
    return f"| `{name}` | {kind.description} | {parameters} | {providers} |"


def default(value):
    return f"`{json.dumps(value)}`" if "<" in str(value) else json.dumps(value)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_documented_with_its_parameters(name):
    """If this fails, the message shows the line that the document should contain."""
    assert row_of(name) in TEXT


def test_every_documented_fault_exists():
    tables = TEXT[TEXT.index("## Faults") : TEXT.index("## How answers are made")]
    named = re.findall(r"^\| `(\w+)` \|", tables, re.MULTILINE)
    assert sorted(named) == sorted([*FAULTS, *CALLS])


@pytest.mark.parametrize("name", CALLS)
def test_every_kind_of_call_is_documented(name):
    assert f"| `{name}` | {CALLS[name]} |" in TEXT


@pytest.mark.parametrize("scope", SCOPES)
def test_every_scope_has_a_heading(scope):
    assert f"### {SCOPES[scope][0].upper()}{SCOPES[scope][1:]}\n" in TEXT


def test_every_control_route_is_documented(bench):
    sandbox = bench.server.sandbox
    control = Control(sandbox.context, sandbox.billing, sandbox.requests, sandbox.calls, sandbox.forget)
    for route in control.routes():
        for method in route.methods - {"HEAD"}:
            assert f"`{method} /_sandbox{route.path}`" in TEXT


def test_every_embedding_model_is_documented():
    for model in (model for provider in PROVIDERS.values() for model in provider.embedding_models):
        assert f"| `{model.name}` | {model.size}," in TEXT


@pytest.mark.parametrize("command", CURLS, ids=lambda command: command.replace("\\\n", "")[:60])
def test_the_curl_examples_work(bench, command, tmp_path):
    assert execute_curl(bench, command).status_code == 200


def execute_curl(bench, command):
    """Do what curl would do, as far as the document uses it."""
    words = iter(shlex.split(command.replace("\\\n", " "))[1:])
    url, method, headers, data, form, files = "", None, {}, None, {}, {}
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            data = next(words)
        elif word == "-X":
            method = next(words)
        elif word == "-F":
            name, _, value = next(words).partition("=")
            if value.startswith("@"):
                files[name] = (value[1:], documented_requests())
            else:
                form[name] = value
        else:
            assert not word.startswith("-"), f"{word} is not known to this test"
            url = word
    assert url.startswith(ADDRESS)
    if data is not None and "FILE_ID" in data:
        file = bench.openai.files.create(file=("requests.jsonl", documented_requests()), purpose="batch")
        data = data.replace("FILE_ID", file.id)
    method = method or ("GET" if data is None and not form else "POST")
    url = url.replace(ADDRESS, bench.server.url)
    if form:
        return httpx.post(url, headers=headers, data=form, files=files)
    return httpx.request(method, url, headers=headers, content=data)


def documented_requests():
    line = re.search(r'^`(\{"custom_id".*\})`', TEXT, re.MULTILINE)
    return line.group(1).encode() + b"\n"


def test_the_documented_batch_returns_its_result(bench):
    create = next(command for command in CURLS if "FILE_ID" in command)
    batch = bench.wait("openai", execute_curl(bench, create).json()["id"])
    assert list(bench.results("openai", batch)) == ["mine-2"]


def test_the_first_example_sets_a_custom_id(bench):
    assert "X-Grabient-Custom-Id: mine-1" in CURLS[0]
    execute_curl(bench, CURLS[0])
    assert bench.report("billed")["openai"]["direct_requests_without_custom_id"] == 0


@pytest.mark.parametrize("program", blocks("python"), ids=lambda program: program.split("\n")[0])
def test_the_python_examples_work(bench, program):
    exec(compile(program.replace(ADDRESS, bench.server.url), str(DOCUMENT), "exec"), {})
