"""The models, and the one on this machine above all: offline for certain, quick, and the same everywhere."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from grabient_pipeline.errors import MissingKeyError, ProviderUncertain, SettingsError, UnknownModelError
from grabient_pipeline.retrieval.embedders import local as local_embedding
from grabient_pipeline.retrieval.embedders.base import (
    CHARACTERS_PER_REQUEST,
    EmbeddingModel,
    split_into_requests,
    to_unit_vectors,
    unit_length,
)
from grabient_pipeline.retrieval.embedders.registry import MODELS, embedding_model, open_embedder
from grabient_pipeline.settings import DEFAULT_EMBEDDING_MODEL

LOCAL = embedding_model(DEFAULT_EMBEDDING_MODEL)
SMALL = EmbeddingModel("openai", "text-embedding-3-small", 4, 3)


class TestModels:
    def test_by_name_or_id(self):
        for model in MODELS:
            assert embedding_model(model.name) == embedding_model(model.id) == model

    def test_an_unknown_one_is_told_the_known_ones(self):
        with pytest.raises(UnknownModelError) as refused:
            embedding_model("openai/ada")
        assert all(model.name in str(refused.value) for model in MODELS)

    def test_what_they_cost(self):
        prices = {model.name: model.usd_per_million_tokens for model in MODELS}
        assert prices.pop("local/wordllama-256") == 0
        assert all(0 < price < 1 for price in prices.values())
        assert embedding_model("openai/text-embedding-3-small").cost(50_000_000) == pytest.approx(1.0)

    @pytest.mark.parametrize("model", [model for model in MODELS if model.provider], ids=lambda model: model.name)
    def test_one_without_a_key_says_which(self, model):
        with pytest.raises(MissingKeyError, match="API_KEY is not set"):
            open_embedder(model, {})


class TestLocalModel:
    @pytest.fixture
    def embedder(self):
        return open_embedder(LOCAL, {})

    def test_vectors_of_unit_length(self, embedder):
        embedded = embedder.embed_texts(["calm autumn forest", "neon", "日本"])
        assert (embedded.vectors.shape, embedded.vectors.dtype) == ((3, 256), np.float32)
        assert np.linalg.norm(embedded.vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
        assert embedded.tokens > 5

    def test_nothing_has_no_direction(self, embedder):
        vectors = embedder.embed_queries(["", "forest"])
        assert not vectors[0].any()
        assert vectors[1].any()
        assert embedder.embed_queries([]).shape == (0, 256)

    def test_a_text_is_the_same_alone_and_among_others(self, embedder):
        texts = [f"{'very ' * (number % 7)}dark forest {number}" for number in range(600)]
        together = embedder.embed_texts(texts).vectors
        for number in (0, 255, 256, 599):
            assert together[number] == pytest.approx(embedder.embed_queries([texts[number]])[0], abs=1e-6)

    def test_what_is_alike_is_near(self, embedder):
        sea, ocean, car = embedder.embed_queries(["sea", "ocean", "car"])
        assert sea @ ocean > sea @ car + 0.2

    def test_case_does_not_matter(self, embedder):
        one, other = embedder.embed_queries(["Calm Autumn", "calm autumn"])
        assert one == pytest.approx(other)

    def test_it_is_that_of_its_package(self, embedder):
        """We read the files ourselves: what we make of them is what the package makes of them."""
        handlers, level = list(logging.root.handlers), logging.root.level
        try:
            import wordllama

            theirs = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
        finally:
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)
        texts = ["calm autumn forest", "dark teal monochromatic foggy november morning", "café"]
        assert embedder.embed_texts(texts).vectors == pytest.approx(theirs.embed(texts, norm=True), abs=1e-5)

    def test_it_never_looks_to_the_network(self, run_python, tmp_path):
        """Nor writes a cache, nor loads what could download: from the first import on."""
        text = """
import json, os, sys
touched = []
network = ("socket.", "urllib.", "http.")
sys.addaudithook(lambda event, args: touched.append(event) if event.startswith(network) else None)
from grabient_pipeline.retrieval.embedders.registry import embedding_model, open_embedder
vectors = open_embedder(embedding_model("local/wordllama-256"), {}).embed_queries(["forest"])
loaded = [name for name in ("wordllama", "requests", "huggingface_hub", "hf_xet", "torch") if name in sys.modules]
print(json.dumps([touched, loaded, float(vectors[0] @ vectors[0]), os.listdir(os.environ["HOME"])]))
"""
        process = run_python(text, environment={**os.environ, "HOME": str(tmp_path)})
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert json.loads(out) == [[], [], pytest.approx(1.0, abs=1e-5), []]

    def test_a_package_that_is_not_whole_is_explained(self, monkeypatch):
        monkeypatch.setattr(local_embedding, "_WEIGHTS", local_embedding._WEIGHTS.with_name("gone.safetensors"))
        with pytest.raises(SettingsError, match="wordllama is not there or not whole.*make"):
            local_embedding.open_local_embedder(LOCAL)


class TestRequests:
    def test_no_more_texts_than_the_api_takes(self):
        assert [list(each) for each in split_into_requests(["a", "b", "c", "d"], SMALL)] == [["a", "b", "c"], ["d"]]
        assert [list(each) for each in split_into_requests(["a", "b", "c"], SMALL)] == [["a", "b", "c"]]
        assert not list(split_into_requests([], SMALL))

    def test_nor_more_characters(self):
        large = "x" * (CHARACTERS_PER_REQUEST // 2 + 1)
        assert [len(each) for each in split_into_requests([large, "a", large, "b"], SMALL)] == [2, 2]
        # One that is too long goes alone: the API says what is wrong with it.
        assert [len(each) for each in split_into_requests(["x" * 2 * CHARACTERS_PER_REQUEST, "a"], SMALL)] == [1, 1]

    @pytest.mark.parametrize(
        "rows",
        [
            [],
            [[1.0, 0, 0, 0]],
            [[1.0, 0, 0, 0]] * 3,
            [[1.0, 0, 0, 0], [1.0]],
            [[1.0, 0, 0, 0], [float("nan"), 0, 0, 0]],
        ],
        ids=["none", "too few", "too many", "short", "not a number"],
    )
    def test_an_answer_that_is_none_is_refused(self, rows):
        with pytest.raises(ProviderUncertain, match="2 texts with 4 numbers each"):
            to_unit_vectors(rows, ["a", "b"], SMALL)

    def test_an_answer_comes_to_unit_length(self):
        assert to_unit_vectors([[3, 0, 4, 0]], ["a"], SMALL).tolist() == [pytest.approx([0.6, 0, 0.8, 0])]

    def test_unit_length_of_nothing(self):
        assert unit_length(np.zeros((1, 3), dtype=np.float32)).tolist() == [[0, 0, 0]]
