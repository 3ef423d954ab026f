"""A provider of the sandbox is one module that is discovered; everything else follows from its declaration."""

import ast
import asyncio
import importlib
import sys
from pathlib import Path

import httpx
import pytest

import grabient_pipeline.sandbox
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.sandbox import environment, providers
from grabient_pipeline.sandbox.app import Sandbox
from grabient_pipeline.sandbox.discovery import FAULTS, PROVIDERS, faults_of, find_providers
from grabient_pipeline.sandbox.faults.registry import FAULT_KINDS

PACKAGE = Path(grabient_pipeline.sandbox.__file__).parent
NEW_PROVIDER = """
from dataclasses import replace
from functools import partial

from grabient_pipeline.sandbox.capabilities import ModelCapabilities, by_name
from grabient_pipeline.sandbox.providers import openai
from grabient_pipeline.sandbox.providers.openai.requests import ChatDialect
from grabient_pipeline.sandbox.providers.openai.routes import chat_routes

MODELS = by_name(ModelCapabilities("small-1", "small-1", 4096, "strict"))
DIALECT = ChatDialect(replace(openai.FLAVOUR, provider="fifth", models=MODELS))
PROVIDER = replace(
    openai.PROVIDER,
    key="fifth",
    key_variable="FIFTH_API_KEY",
    address_variable="FIFTH_BASE_URL",
    address_path="/fifth/v1",
    routes_path="/fifth/v1",
    routes=partial(chat_routes, dialect=DIALECT),
    dialect=DIALECT,
    models=MODELS,
    embedding_models=(),
    faults=frozenset({"no_counts"}),
)
"""


@pytest.fixture
def with_fifth(tmp_path, monkeypatch):
    """All providers, with one more module beside those of the sandbox."""
    (tmp_path / "fifth.py").write_text(NEW_PROVIDER)
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield find_providers()
    sys.modules.pop(f"{providers.__name__}.fifth", None)
    vars(providers).pop("fifth", None)


def test_every_provider_and_model_of_the_catalogue_is_in_the_sandbox():
    """Otherwise all batches of the model would fail in the demo and in the tests."""
    catalogue = load_catalogue()
    assert set(catalogue.providers) <= set(PROVIDERS)
    for model in catalogue.models:
        assert model.id in PROVIDERS[model.provider].models, model.name


def test_a_key_is_the_first_segment_of_every_path():
    """The gate recognises the provider of a call by it."""
    for key, provider in PROVIDERS.items():
        assert provider.key == key
        assert provider.address_path.split("/")[1] == provider.routes_path.split("/")[1] == key


def test_a_new_module_is_discovered(with_fifth):
    assert set(with_fifth) == {*PROVIDERS, "fifth"}
    assert "fifth" not in environment(1)


def test_faults_follow_from_the_declaration(with_fifth):
    faults = faults_of(with_fifth.values())
    assert "fifth" in faults["down"].providers
    assert "fifth" in faults["no_counts"].providers
    assert "fifth" not in faults["poisoned"].providers


def test_declared_faults_exist_and_are_not_universal():
    for provider in PROVIDERS.values():
        assert not {name for name in provider.faults if FAULT_KINDS[name].universal}
    assert all(kind.providers for kind in FAULTS.values())


def test_a_new_provider_answers_and_bills(with_fifth):
    async def calls(client):
        body = {"model": "small-1", "messages": [{"role": "user", "content": "Tags for #0b3d1e"}]}
        path = "/fifth/v1/chat/completions"
        assert (await client.post(path, json=body)).status_code == 401
        answer = await client.post(path, json=body, headers={"authorization": "Bearer sandbox-fifth"})
        assert answer.json()["model"] == "small-1"
        billed = (await client.get("/_sandbox/billed")).json()
        assert billed["fifth"]["direct_requests"] == 1
        assert (await client.get("/_sandbox/calls")).json()["fifth"]["asking"] == {"200": 1, "401": 1}

    async def serve():
        transport = httpx.ASGITransport(Sandbox(providers=with_fifth).app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            await calls(client)

    asyncio.run(serve())


def test_an_unknown_model_fails_with_the_providers_own_error(bench):
    answer = httpx.post(
        f"{bench.server.url}/openai/v1/chat/completions",
        headers={"authorization": "Bearer sandbox-o"},
        json={"model": "gpt-99", "messages": [{"role": "user", "content": "Hello"}]},
    )
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


def imports_by_package() -> dict[str, set[str]]:
    """Return the packages and top-level modules of the sandbox with those that they import."""
    prefix = "grabient_pipeline.sandbox."
    imports_of: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        part = file.relative_to(PACKAGE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            imported = {name.removeprefix(prefix).split(".")[0] for name in names if name.startswith(prefix)}
            imports_of.setdefault(part, set()).update(imported - {part})
    return imports_of


def test_imports_inside_the_sandbox_point_one_way():
    remaining = imports_by_package()
    while remaining:
        lowest = {part for part, imported in remaining.items() if not imported & remaining.keys()}
        assert lowest, f"these import each other: {remaining}"
        remaining = {part: imported for part, imported in remaining.items() if part not in lowest}
