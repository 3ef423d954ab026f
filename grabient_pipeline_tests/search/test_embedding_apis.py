"""The two embedding APIs through their SDKs: what is asked, what comes back, and what a person reads when it fails."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from grabient_pipeline.errors import ProviderError, ProviderRefused, ProviderUncertain, SettingsError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.search import embedding
from grabient_pipeline.search.embedding import Embedder, embedding_model, open_embedder
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests.search.conftest import Collection
from grabient_pipeline_tests.search.embedding_apis import GOOGLE_KEY, OPENAI_KEY, EmbeddingApis, serve, vector_of

NAMES = ("openai/text-embedding-3-small", "google/gemini-embedding-001")


@pytest.fixture
def apis() -> Iterator[EmbeddingApis]:
    with serve() as served:
        yield served


@pytest.fixture(params=NAMES)
def embedder(request: pytest.FixtureRequest, apis: EmbeddingApis) -> Embedder:
    return open_embedder(embedding_model(request.param), apis.environment())


def test_each_text_gets_its_own_vector(embedder: Embedder, apis: EmbeddingApis) -> None:
    texts = ["calm autumn forest", "neon", "日本"]
    vectors = embedder.embed_texts(texts).vectors
    assert vectors.shape == (3, embedder.model.dimension)
    for vector, text in zip(vectors, texts, strict=True):
        expected = np.array(vector_of(text, embedder.model.dimension))
        assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)
    (request,) = apis.requests
    assert request["texts"] == texts


def test_gemini_is_told_what_is_a_query(apis: EmbeddingApis) -> None:
    embedder = open_embedder(embedding_model("google/gemini-embedding-001"), apis.environment())
    embedder.embed_texts(["forest"])
    embedder.embed_queries(["forest"])
    assert [request["task"] for request in apis.requests] == ["RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"]


def test_tokens_are_those_that_the_api_counted(apis: EmbeddingApis) -> None:
    counted = [
        open_embedder(embedding_model(name), apis.environment()).embed_texts(["a b", "c"]).tokens for name in NAMES
    ]
    # Google's does not say.
    assert counted == [3, None]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_tried_again(embedder: Embedder, apis: EmbeddingApis, status: int) -> None:
    apis.misbehave(status, {"error": {"message": "slow down", "code": status, "status": "RESOURCE_EXHAUSTED"}}, 1)
    assert embedder.embed_texts(["forest"]).vectors.any()
    assert apis.texts() == ["forest"]


def test_a_refusal_is_a_line_without_the_key(embedder: Embedder, apis: EmbeddingApis) -> None:
    apis.misbehave(400, {"error": {"message": f"no: {OPENAI_KEY} {GOOGLE_KEY}", "code": 400, "status": "X"}})
    with pytest.raises(ProviderRefused) as refused:
        embedder.embed_texts(["forest"])
    own_key = OPENAI_KEY if embedder.model.provider == "openai" else GOOGLE_KEY
    assert str(refused.value).startswith(f"{embedder.model.provider}: embedding failed: HTTP 400: no: ")
    assert own_key not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_key_is_refused(apis: EmbeddingApis, name: str) -> None:
    environment = {
        variable: "wrong-key-123" if variable.endswith("KEY") else value
        for variable, value in apis.environment().items()
    }
    with pytest.raises(ProviderRefused) as refused:
        open_embedder(embedding_model(name), environment).embed_texts(["forest"])
    assert "wrong-key-123" not in str(refused.value)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_there_is_a_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # They would wait in between.
    monkeypatch.setattr("grabient_pipeline.search.openai_embedding._RETRIES", 0)
    monkeypatch.setattr("grabient_pipeline.search.google_embedding._ATTEMPTS", 1)
    with serve() as gone:
        environment = gone.environment()
    # Nothing listens on that port any more.
    with pytest.raises(ProviderError, match="no connection"):
        open_embedder(embedding_model(name), environment).embed_texts(["forest"])


def test_an_answer_with_too_few_vectors_is_not_taken(apis: EmbeddingApis) -> None:
    embedder = open_embedder(embedding_model(NAMES[1]), apis.environment())
    apis.misbehave(200, {"embeddings": [{"values": [1.0, 0.0]}]})
    with pytest.raises(ProviderUncertain, match="did not answer 2 texts with 768 numbers each"):
        embedder.embed_texts(["forest", "sea"])


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OPENAI_API_KEY", "ключ"), ("OPENAI_BASE_URL", "not an address")],
    ids=["key", "address"],
)
def test_a_variable_that_cannot_be_is_named(apis: EmbeddingApis, variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        open_embedder(embedding_model(NAMES[0]), {**apis.environment(), variable: value})


@pytest.mark.parametrize("name", NAMES)
def test_palettes_are_embedded_and_found(collection: Collection, apis: EmbeddingApis, name: str) -> None:
    settings = Settings(collection.settings.data_dir, embedding_model=name)
    pipeline = Pipeline(settings, apis.environment())
    report = pipeline.embed_palettes()
    assert (report.model, report.embedded) == (name, 6)
    assert 0 < report.cost_usd < 0.001
    asked = len(apis.requests)
    assert pipeline.embed_palettes().embedded == 0
    assert len(apis.requests) == asked
    # Found by its tag; what the stand-in makes of texts has no meaning.
    assert pipeline.search("whale")["name"][0] == "deep ocean"
    # The query and, once, what tells noise from meaning.
    assert len(apis.requests) == asked + 2
    pipeline.search("acorn")
    assert len(apis.requests) == asked + 3
    # Colours need no embedding.
    pipeline.search("#123456")
    assert len(apis.requests) == asked + 3


def test_a_client_is_made_once(apis: EmbeddingApis) -> None:
    first, again = (open_embedder(embedding_model(NAMES[0]), apis.environment()) for _ in range(2))
    assert first is again
    assert embedding._opened.cache_info().currsize >= 1
