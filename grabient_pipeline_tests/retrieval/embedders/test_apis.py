"""The two embedding APIs through their SDKs: what is asked, what comes back, and what a person reads when it fails."""

from __future__ import annotations

import numpy as np
import pytest

from grabient_pipeline.errors import ProviderError, ProviderRefused, SettingsError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.retrieval.embedders.base import Embedder
from grabient_pipeline.retrieval.embedders.registry import embedding_model, open_embedder
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.sandbox.server import environment
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests.retrieval.conftest import Collection

NAMES = ("openai/text-embedding-3-small", "google/gemini-embedding-001")
TEXTS = ("calm autumn forest", "neon sign", "autumn forest in the rain", "日本")


@pytest.fixture(params=NAMES)
def embedder(request: pytest.FixtureRequest, sandbox: SandboxServer) -> Embedder:
    return open_embedder(embedding_model(request.param), sandbox.environment())


def calls(sandbox: SandboxServer) -> int:
    """How often an embedding was asked for."""
    return sum("embed" in call["path"].lower() for call in sandbox.sandbox.requests)


def test_each_text_gets_its_own_vector(embedder: Embedder) -> None:
    vectors = embedder.embed_texts(TEXTS).vectors
    assert (vectors.shape, vectors.dtype) == ((4, embedder.model.dimension), np.float32)
    # Shortened vectors of Gemini's do not come so.
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1, 1], abs=1e-5)
    # The first shares words with the third; each is the same alone.
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[1] + 0.3
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert embedder.embed_texts([text]).vectors[0] == pytest.approx(vector, abs=1e-5)


def test_queries_meet_texts(embedder: Embedder) -> None:
    (query,) = embedder.embed_queries(["calm forest"])
    similarities = embedder.embed_texts(TEXTS).vectors @ query
    assert int(similarities.argmax()) == 0


def test_as_many_as_a_request_takes(embedder: Embedder, sandbox: SandboxServer) -> None:
    most = embedder.model.texts_per_request
    assert embedder.embed_texts([f"forest {number}" for number in range(most)]).vectors.shape[0] == most
    with pytest.raises(ProviderRefused, match="HTTP 400"):
        embedder.embed_texts(["forest"] * (most + 1))


def test_what_is_billed_is_what_was_counted(sandbox: SandboxServer) -> None:
    counted = open_embedder(embedding_model(NAMES[0]), sandbox.environment()).embed_texts(TEXTS).tokens
    assert counted == sandbox.sandbox.billed()["openai"]["embedding_tokens"]


@pytest.mark.parametrize("fault", ["rate_limited", "down"])
def test_what_passes_is_tried_again(embedder: Embedder, sandbox: SandboxServer, fault: str) -> None:
    parameters = {"retry_after": 0.01} if fault == "rate_limited" else {}
    sandbox.sandbox.faults.arm(fault, embedder.model.provider, times=1, **parameters)
    assert embedder.embed_texts(TEXTS).vectors.any()
    assert calls(sandbox) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_key_is_a_line_without_it(sandbox: SandboxServer, name: str) -> None:
    keys = {variable: "wrong-key-123" for variable in sandbox.environment() if variable.endswith("KEY")}
    with pytest.raises(ProviderRefused) as refused:
        open_embedder(embedding_model(name), {**sandbox.environment(), **keys}).embed_texts(["forest"])
    assert str(refused.value).startswith(f"{name.partition('/')[0]}: embedding failed: HTTP 40")
    assert "wrong-key-123" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert calls(sandbox) == 1


@pytest.mark.parametrize("name", NAMES)
def test_nobody_there_is_a_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # They would wait in between.
    monkeypatch.setattr("grabient_pipeline.retrieval.embedders.openai._RETRIES", 0)
    monkeypatch.setattr("grabient_pipeline.retrieval.embedders.google._ATTEMPTS", 1)
    with pytest.raises(ProviderError, match="no connection"):
        open_embedder(embedding_model(name), environment(9)).embed_texts(["forest"])


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OPENAI_API_KEY", "ключ"), ("OPENAI_BASE_URL", "not an address")],
    ids=["key", "address"],
)
def test_a_variable_that_cannot_be_is_named(sandbox: SandboxServer, variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        open_embedder(embedding_model(NAMES[0]), {**sandbox.environment(), variable: value})


@pytest.mark.parametrize("name", NAMES)
def test_palettes_are_embedded_and_found(collection: Collection, sandbox: SandboxServer, name: str) -> None:
    settings = Settings(collection.settings.data_dir, embedding_model=name)
    pipeline = Pipeline(settings, sandbox.environment())
    report = pipeline.embed_palettes()
    assert (report.model, report.embedded) == (name, 6)
    assert 0 < report.cost_usd < 0.001
    assert calls(sandbox) == 1
    assert pipeline.embed_palettes().embedded == 0
    assert calls(sandbox) == 1
    assert pipeline.search("whale")["name"][0] == "deep ocean"
    # The query and, once, what tells noise from meaning.
    assert calls(sandbox) == 3
    assert pipeline.search("acorn")["name"][0] == "autumn forest"
    assert calls(sandbox) == 4
    # Colours need no embedding.
    assert pipeline.search("#808080")["name"][0] == "graphite"
    assert calls(sandbox) == 4
    assert pipeline.search("xyzzy qwrt").height == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_key_is_in_nothing_that_is_written(collection: Collection, sandbox: SandboxServer, name: str) -> None:
    Pipeline(Settings(collection.settings.data_dir, embedding_model=name), sandbox.environment()).embed_palettes()
    keys = [value.encode() for variable, value in sandbox.environment().items() if variable.endswith("KEY")]
    for path in collection.settings.data_dir.rglob("*"):
        if path.is_file():
            assert not any(key in path.read_bytes() for key in keys)


def test_a_client_is_made_once(sandbox: SandboxServer) -> None:
    first, again = (open_embedder(embedding_model(NAMES[0]), sandbox.environment()) for _ in range(2))
    assert first is again
