"""The step: what is new or has changed is embedded, and nothing else; what is gone goes."""

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
    """A model of our own that remembers what it was asked, and can break off."""

    def __init__(self, dimension: int = 8, provider: str | None = None, tokens: int | None = 100) -> None:
        self.model = EmbeddingModel(provider, "text-embedding-3-small" if provider else "counting", dimension, 2)
        self.asked: list[str] = []
        self.requests = 0
        self.breaks_after: int | None = None
        self._tokens = tokens

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingResult:
        if self.requests == self.breaks_after:
            raise ProviderUncertain("openai", "no answer in time")
        self.requests += 1
        self.asked += texts
        digests = [np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint8) for text in texts]
        vectors = np.array([digest[: self.model.dimension] for digest in digests], dtype=np.float32)
        return EmbeddingResult(unit_length(vectors), self._tokens)

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self.embed_texts(queries).vectors


def test_every_palette_gets_a_vector(collection):
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


def test_what_is_not_tagged_is_embedded_by_what_is_measured(collection, sample_rows):
    collection.add(*named(sample_rows, "viridis"))
    collection.pipeline.embed_palettes()
    _, text, source = collection.embedded()["viridis"]
    assert source == "measured"
    assert "contrast" in text


def test_nothing_is_embedded_twice(collection):
    embedder = CountingEmbedder()
    assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 6
    assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 0
    assert len(embedder.asked) == 6


def test_a_changed_text_is_embedded_again_and_no_other(collection):
    embedder = CountingEmbedder()
    embed_palettes(collection.pipeline.warehouse, embedder, 1)
    collection.tag({"red wine": {"associations": ["merlot"]}})
    embedder.asked.clear()
    assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 1
    (text,) = embedder.asked
    assert "merlot" in text
    assert collection.embedded()["red wine"][1] == text


def test_the_same_text_from_another_source_keeps_its_vector(collection):
    embedder = CountingEmbedder()
    collection.rows("DELETE FROM palette_tag_refined")
    embed_palettes(collection.pipeline.warehouse, embedder, 1)
    collection.tag({"red wine": {}})
    embedder.asked.clear()
    assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 0
    sources = {name: source for name, (_, _, source) in collection.embedded().items()}
    assert sources.pop("red wine") == "refined"
    assert set(sources.values()) == {"measured"}
    assert not embedder.asked


def test_several_models_stand_side_by_side(collection):
    collection.pipeline.embed_palettes()
    embed_palettes(collection.pipeline.warehouse, CountingEmbedder(), 1)
    counts = collection.rows(
        "SELECT embedding_model, dimension, count(*) FROM palette_embeddings GROUP BY ALL ORDER BY 1"
    )
    assert counts == [("local/counting", 8, 6), (LOCAL, 256, 6)]


def test_another_dimension_means_other_vectors(collection):
    embed_palettes(collection.pipeline.warehouse, CountingEmbedder(dimension=8), 1)
    assert embed_palettes(collection.pipeline.warehouse, CountingEmbedder(dimension=4), 1).embedded == 6
    assert collection.rows("SELECT DISTINCT dimension, len(embedding) FROM palette_embeddings") == [(4, 4)]


def test_what_is_gone_goes(collection):
    collection.pipeline.embed_palettes()
    collection.rows("DELETE FROM palettes WHERE name = 'graphite'")
    report = collection.pipeline.embed_palettes()
    assert (report.palettes, report.removed, report.embedded) == (5, 1, 0)
    assert collection.rows("SELECT count(*) FROM palette_embeddings") == [(5,)]


def test_a_piece_at_a_time(collection, monkeypatch):
    monkeypatch.setattr(step, "_PALETTES_A_PIECE", 4)
    embedder = CountingEmbedder()
    assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 6
    assert len(set(embedder.asked)) == 6
    # Two texts a request, a piece of four and one of two.
    assert embedder.requests == 3


def test_the_vectors_stay_with_their_palettes(collection):
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
        assert not embedder.asked

    def test_what_is_there_already_costs_nothing(self, collection):
        embedder = CountingEmbedder(provider="openai")
        embed_palettes(collection.pipeline.warehouse, embedder, 1)
        assert embed_palettes(collection.pipeline.warehouse, embedder, 0.0).cost_usd == 0

    def test_the_bill_of_a_request_is_shared_by_its_texts(self, collection):
        report = embed_palettes(collection.pipeline.warehouse, CountingEmbedder(provider="openai", tokens=500_000), 1)
        # Three requests of half a million tokens, at $0.02 a million.
        assert report.cost_usd == pytest.approx(0.03)
        costs = collection.rows("SELECT cost_usd, length(embed_text) FROM palette_embeddings ORDER BY 2")
        assert sum(cost for cost, _ in costs) == pytest.approx(0.03)
        assert all(cost > 0 for cost, _ in costs)

    def test_where_the_api_does_not_say_it_is_estimated(self, collection):
        report = embed_palettes(collection.pipeline.warehouse, CountingEmbedder(provider="openai", tokens=None), 1)
        ((characters,),) = collection.rows("SELECT sum(length(embed_text)) FROM palette_embeddings")
        assert report.cost_usd == pytest.approx(characters / 3 * 0.02 / 1_000_000)

    def test_what_was_paid_for_is_kept_when_the_network_fails(self, collection, monkeypatch):
        monkeypatch.setattr(step, "_PALETTES_A_PIECE", 2)
        embedder = CountingEmbedder(provider="openai")
        embedder.breaks_after = 2
        with pytest.raises(ProviderUncertain, match="no answer in time"):
            embed_palettes(collection.pipeline.warehouse, embedder, 1)
        assert collection.rows("SELECT count(*) FROM palette_embeddings") == [(4,)]
        embedder.breaks_after = None
        assert embed_palettes(collection.pipeline.warehouse, embedder, 1).embedded == 2


def test_an_unknown_model_is_refused(collection):
    with pytest.raises(UnknownModelError, match=LOCAL):
        collection.pipeline.embed_palettes("ada")


def test_an_empty_database_is_embedded_at_once(tmp_path):
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.settings import Settings

    assert Pipeline(Settings(tmp_path), {}).embed_palettes().palettes == 0
