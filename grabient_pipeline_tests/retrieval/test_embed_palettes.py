"""The embedding step: new and changed texts are embedded, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from grabient_pipeline.errors import CostCapError, ProviderUncertain, UnknownModelError
from grabient_pipeline.retrieval import embed_palettes as step
from grabient_pipeline.retrieval.embed_palettes import embed_palettes
from grabient_pipeline.retrieval.embedders.base import EmbeddingModel, EmbeddingResult, Vectors, unit_length
from grabient_pipeline_tests.retrieval.conftest import TAGS, named

LOCAL = "local/wordllama-256"


class CountingEmbedder:
    """A deterministic fake model that records its requests and can fail."""

    def __init__(self, dimension: int = 8, provider: str | None = None, tokens: int | None = 100) -> None:
        self.model = EmbeddingModel(provider, "text-embedding-3-small" if provider else "counting", dimension, 2)
        self.texts: list[str] = []
        self.requests = 0
        self.fails_after: int | None = None
        self._tokens = tokens

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingResult:
        if self.requests == self.fails_after:
            raise ProviderUncertain("openai", "no answer in time")
        self.requests += 1
        self.texts += texts
        digests = [np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint8) for text in texts]
        vectors = np.array([digest[: self.model.dimension] for digest in digests], dtype=np.float32)
        return EmbeddingResult(unit_length(vectors), self._tokens)

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self.embed_texts(queries).vectors


def test_every_palette_is_embedded(collection):
    report = collection.pipeline.embed_palettes()
    assert (report.model, report.palettes, report.embedded, report.removed, report.cost_usd) == (LOCAL, 6, 6, 0, 0.0)
    embedded = collection.embedded()
    assert set(embedded) == set(TAGS)
    model, text, source = embedded["autumn forest"]
    assert (model, source) == (LOCAL, "refined")
    assert {"calm", "autumn", "forest", "acorn"} <= set(text.split())
    rows = collection.rows("SELECT embed_text, embed_text_hash, dimension, len(embedding) FROM palette_embeddings")
    for text, digest, dimension, length in rows:
        assert digest == hashlib.sha256(text.encode()).hexdigest()
        assert (dimension, length) == (256, 256)


def test_untagged_palettes_are_embedded_by_measured_attributes(collection, sample_rows):
    collection.add(*named(sample_rows, "viridis"))
    collection.pipeline.embed_palettes()
    _, text, source = collection.embedded()["viridis"]
    assert source == "measured"
    assert "contrast" in text


def test_nothing_is_embedded_twice(collection):
    embedder = CountingEmbedder()
    assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 6
    assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 0
    assert len(embedder.texts) == 6


def test_only_changed_texts_are_embedded_again(collection):
    embedder = CountingEmbedder()
    embed_palettes(collection.pipeline.warehouse, embedder, 1)
    collection.tag({"red wine": {"associations": ["merlot"]}})
    embedder.texts.clear()
    assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 1
    (text,) = embedder.texts
    assert "merlot" in text
    assert collection.embedded()["red wine"][1] == text


def test_an_unchanged_text_from_another_source_keeps_its_embedding(collection):
    embedder = CountingEmbedder()
    collection.rows("DELETE FROM palette_tag_refined")
    embed_palettes(collection.pipeline.warehouse, embedder, 1)
    collection.tag({"red wine": {}})
    embedder.texts.clear()
    assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 0
    sources = {name: source for name, (_, _, source) in collection.embedded().items()}
    assert sources.pop("red wine") == "refined"
    assert set(sources.values()) == {"measured"}
    assert not embedder.texts


def test_several_models_are_stored_side_by_side(collection):
    collection.pipeline.embed_palettes()
    embed_palettes(collection.pipeline.warehouse, CountingEmbedder(), 1)
    counts = collection.rows(
        "SELECT embedding_model, dimension, count(*) FROM palette_embeddings GROUP BY ALL ORDER BY 1"
    )
    assert counts == [("local/counting", 8, 6), (LOCAL, 256, 6)]


def test_another_dimension_embeds_again(collection):
    embed_palettes(collection.pipeline.warehouse, CountingEmbedder(dimension=8), 1)
    assert embed_palettes(collection.pipeline.warehouse, CountingEmbedder(dimension=4), 1).embedded == 6
    assert collection.rows("SELECT DISTINCT dimension, len(embedding) FROM palette_embeddings") == [(4, 4)]


def test_embeddings_of_deleted_palettes_are_removed(collection):
    collection.pipeline.embed_palettes()
    collection.rows("DELETE FROM palettes WHERE name = 'graphite'")
    report = collection.pipeline.embed_palettes()
    assert (report.palettes, report.removed, report.embedded) == (5, 1, 0)
    assert collection.rows("SELECT count(*) FROM palette_embeddings") == [(5,)]


def test_palettes_are_embedded_in_pieces(collection, monkeypatch):
    monkeypatch.setattr(step, "_PALETTES_PER_PIECE", 4)
    embedder = CountingEmbedder()
    assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 6
    assert len(set(embedder.texts)) == 6
    # Two texts per request; a piece of four and one of two.
    assert embedder.requests == 3


def test_embeddings_belong_to_their_palettes(collection):
    embed_palettes(collection.pipeline.warehouse, CountingEmbedder(), 1)
    again = CountingEmbedder()
    for text, embedding in collection.rows("SELECT embed_text, embedding FROM palette_embeddings"):
        assert embedding == pytest.approx(again.embed_queries([text])[0].tolist())


class TestCost:
    def test_an_estimate_above_the_cap_embeds_nothing(self, collection):
        embedder = CountingEmbedder(provider="openai")
        with pytest.raises(
            CostCapError, match="embedding 6 palettes with openai/text-embedding-3-small .*above the cap"
        ):
            embed_palettes(collection.pipeline.warehouse, embedder, 0.0)
        assert not embedder.texts

    def test_what_is_there_already_costs_nothing(self, collection):
        embedder = CountingEmbedder(provider="openai")
        embed_palettes(collection.pipeline.warehouse, embedder, 1)
        assert embed_palettes(collection.pipeline.warehouse, embedder, 0.0).cost_usd == 0

    def test_the_cost_of_a_request_is_split_over_its_texts(self, collection):
        report = embed_palettes(collection.pipeline.warehouse, CountingEmbedder(provider="openai", tokens=500_000), 1)
        # Three requests of 500,000 tokens, at $0.02 per million.
        assert report.cost_usd == pytest.approx(0.03)
        costs = collection.rows("SELECT cost_usd, length(embed_text) FROM palette_embeddings ORDER BY 2")
        assert sum(cost for cost, _ in costs) == pytest.approx(0.03)
        assert all(cost > 0 for cost, _ in costs)

    def test_tokens_are_estimated_if_the_api_does_not_report_them(self, collection):
        report = embed_palettes(collection.pipeline.warehouse, CountingEmbedder(provider="openai", tokens=None), 1)
        ((characters,),) = collection.rows("SELECT sum(length(embed_text)) FROM palette_embeddings")
        assert report.cost_usd == pytest.approx(characters / 3 * 0.02 / 1_000_000)

    def test_paid_pieces_survive_a_network_failure(self, collection, monkeypatch):
        monkeypatch.setattr(step, "_PALETTES_PER_PIECE", 2)
        embedder = CountingEmbedder(provider="openai")
        embedder.fails_after = 2
        with pytest.raises(ProviderUncertain, match="no answer in time"):
            embed_palettes(collection.pipeline.warehouse, embedder, 1)
        assert collection.rows("SELECT count(*) FROM palette_embeddings") == [(4,)]
        embedder.fails_after = None
        assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 2


def test_an_unknown_model_is_rejected(collection):
    with pytest.raises(UnknownModelError, match=LOCAL):
        collection.pipeline.embed_palettes("ada")


def test_an_empty_database(tmp_path):
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.settings import Settings

    assert Pipeline(Settings(tmp_path), {}).embed_palettes().palettes == 0
