"""The lists of models, as each provider writes them."""

from __future__ import annotations

import httpx2
import pytest

from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.sandbox.discovery import PROVIDERS

PATHS = {"anthropic": "/v1/models", "openai": "/models", "groq": "/openai/v1/models", "google": "/v1beta/models"}
HEADERS = {
    "anthropic": lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
    "openai": lambda key: {"authorization": f"Bearer {key}"},
    "groq": lambda key: {"authorization": f"Bearer {key}"},
    "google": lambda key: {"x-goog-api-key": key},
}


@pytest.fixture(scope="module")
def server():
    with SandboxServer(where="thread") as running:
        yield running


@pytest.fixture
def ask(server):
    def get(provider, **query):
        declared, environment = PROVIDERS[provider], server.environment()
        return httpx2.get(
            environment[declared.address_variable] + PATHS[provider],
            params=query,
            headers=HEADERS[provider](environment[declared.key_variable]),
        )

    yield get
    server.sandbox.faults.disarm()


def entries(provider, answer):
    return answer.json()["models" if provider == "google" else "data"]


def names(provider, answer):
    return [
        each["name"].removeprefix("models/") if provider == "google" else each["id"]
        for each in entries(provider, answer)
    ]


@pytest.mark.parametrize("provider", PATHS)
def test_the_list_is_the_table_of_the_sandbox(ask, provider):
    declared = PROVIDERS[provider]
    every = {*declared.models, *(each.name for each in declared.embedding_models)}
    assert sorted(names(provider, ask(provider))) == sorted(every)


@pytest.mark.parametrize("provider", PATHS)
def test_it_needs_a_key(server, provider):
    environment = server.environment()
    answer = httpx2.get(environment[PROVIDERS[provider].address_variable] + PATHS[provider])
    assert answer.status_code in (400, 401, 403)


def test_an_entry_of_anthropic(ask):
    entry = next(each for each in entries("anthropic", ask("anthropic")) if each["id"] == "claude-opus-4-5-20251101")
    assert (entry["type"], entry["lifecycle"], entry["retires_at"]) == ("model", "deprecated", "2027-01-22T00:00:00Z")
    assert entry["created_at"].startswith("2025-11-01") and entry["line"] == "opus"
    assert entry["max_tokens"] == PROVIDERS["anthropic"].models["claude-opus-4-5-20251101"].max_output_tokens
    assert entry["capabilities"]["batch"] == {"supported": True}


def test_an_entry_of_openai(ask):
    (entry,) = [each for each in entries("openai", ask("openai")) if each["id"] == "gpt-5-nano"]
    assert entry == {
        "id": "gpt-5-nano",
        "object": "model",
        "created": 1754524800,
        "owned_by": "system",
        "shutdown_date": "2026-12-11",
    }


def test_an_entry_of_groq(ask):
    (entry,) = [each for each in entries("groq", ask("groq")) if each["id"] == "openai/gpt-oss-20b"]
    assert (entry["active"], entry["context_window"], entry["owned_by"]) == (True, 131072, "openai")
    assert entry["public_apps"] is None
    assert entry["max_completion_tokens"] == 65536


def test_an_entry_of_google(ask):
    (entry,) = [each for each in entries("google", ask("google")) if each["name"] == "models/gemini-2.5-flash-lite"]
    assert entry["supportedGenerationMethods"] == ["generateContent", "batchGenerateContent"]
    assert (entry["inputTokenLimit"], entry["outputTokenLimit"], entry["thinking"]) == (1048576, 65536, True)


def test_pages_of_anthropic(ask):
    first = ask("anthropic", limit=4).json()
    assert (len(first["data"]), first["has_more"], first["last_id"]) == (4, True, first["data"][-1]["id"])
    second = ask("anthropic", limit=4, after_id=first["last_id"]).json()
    assert (len(second["data"]), second["has_more"]) == (2, False)
    assert ask("anthropic", limit=0).status_code == 400
    assert ask("anthropic", after_id="claude-2").status_code == 400


def test_pages_of_google(ask):
    first = ask("google", pageSize=3).json()
    second = ask("google", pageSize=3, pageToken=first["nextPageToken"]).json()
    assert (len(first["models"]), len(second["models"])) == (3, 2)
    assert "nextPageToken" not in second


def test_retired_models_of_anthropic_are_listed_when_they_are_asked_for(ask, server):
    server.sandbox.faults.arm("models_gone", "anthropic", models="claude-haiku-5-5")
    assert "claude-haiku-5-5" not in names("anthropic", ask("anthropic"))
    retired = entries("anthropic", ask("anthropic", **{"lifecycle[]": ["retired"]}))
    assert [(each["id"], each["lifecycle"]) for each in retired] == [("claude-haiku-5-5", "retired")]
    assert ask("anthropic", **{"lifecycle[]": "old"}).status_code == 400


@pytest.mark.parametrize("provider", PATHS)
def test_models_that_are_gone(ask, server, provider):
    gone = sorted(PROVIDERS[provider].models)[:2]
    server.sandbox.faults.arm("models_gone", provider, models=" ".join(gone))
    assert not {*gone} & {*names(provider, ask(provider))}
    server.sandbox.faults.disarm()
    assert {*gone} <= {*names(provider, ask(provider))}


def test_models_that_are_deprecated(ask, server):
    server.sandbox.faults.arm("models_deprecated", models="gpt-6-luna openai/gpt-oss-20b", ends_on="2031-02-03")
    by_id = {each["id"]: each for each in entries("openai", ask("openai"))}
    assert (by_id["gpt-6-luna"]["shutdown_date"], by_id["gpt-5.6-luna"]["shutdown_date"]) == ("2031-02-03", None)
    assert {each["id"]: each["active"] for each in entries("groq", ask("groq"))}["openai/gpt-oss-20b"] is False
