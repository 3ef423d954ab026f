"""Search results, their order and their reasons; and the errors of a search that cannot run."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest

import grabient_pipeline
from grabient_pipeline.errors import SearchError, UnknownModelError, WarehouseError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.retrieval.find import SCHEMA, best_palettes
from grabient_pipeline.retrieval.ranking import Scores
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests.retrieval.conftest import TAGS, Collection, named


class TestWords:
    @pytest.mark.parametrize(
        ("query", "first"),
        [
            ("calm autumn forest", "autumn forest"),
            ("forests", "autumn forest"),
            ("Fallen leaves", "autumn forest"),
            ("whale", "deep ocean"),
            ("art deco", "art deco"),
            ("jazz", "art deco"),
            ("a romantic evening by candlelight", "red wine"),
            ("CAFE\u0301", "lemon sorbet"),
            ("summer", "lemon sorbet"),
            ("graphite", "graphite"),
            ("slate pencil", "graphite"),
        ],
    )
    def test_the_matching_palette_comes_first(self, searchable, query, first):
        assert searchable.found(query)[0] == first

    def test_results_list_the_matching_tags(self, searchable):
        (row,) = searchable.pipeline.search("romantic cellar curtains", 1).to_dicts()
        assert [(tag["field"], tag["tag"]) for tag in row["tags"]] == [
            ("mood", "romantic"),
            ("associations", "cellar"),
            # Partial matches come after whole ones.
            ("associations", "velvet curtain"),
        ]

    def test_attributes_are_found_as_phrases(self, searchable):
        found = searchable.pipeline.search("high contrast")
        measured = dict(searchable.rows("SELECT name, contrast FROM palettes"))
        matching = [row["name"] for row in found.to_dicts() if row["tags"]]
        assert set(matching) == {name for name, contrast in measured.items() if contrast == "high"} != set()
        assert found["name"].to_list()[: len(matching)] == matching

    def test_a_whole_tag_scores_higher_than_part_of_one(self, collection):
        collection.tag({"graphite": {"associations": ["velvet"]}})
        collection.pipeline.embed_palettes()
        scores = dict(collection.pipeline.search("velvet").select("name", "score").iter_rows())
        assert scores["graphite"] > scores["red wine"]

    def test_palettes_without_names_are_found(self, tmp_path, sample_rows):
        collection = Collection(tmp_path / "data")
        seeds = tmp_path / "seeds.txt"
        seeds.write_text("".join(f"{row['seed']}\n" for row in named(sample_rows, "viridis", "graphite")), "utf-8")
        collection.pipeline.import_palettes([seeds])
        collection.pipeline.embed_palettes()
        (row,) = collection.pipeline.search("green", 1).to_dicts()
        assert row["name"] is None
        assert [colour["colour"] for colour in row["colours"]] == ["green"]

    def test_similar_meaning_is_found_without_a_common_word(self, searchable):
        """By the embedding alone."""
        found = searchable.pipeline.search("nautical submarine sea")
        assert found["name"][0] == "deep ocean"


class TestLikeness:
    """Palettes that look like the best results are results too, whatever their tags."""

    @pytest.fixture
    def alike(self, tmp_path, sample_rows):
        collection = Collection(tmp_path / "data")
        collection.add(*named(sample_rows, "viridis", "peacock", "red ramp"))
        collection.tag({"viridis": {"associations": ["zeppelin"]}, "peacock": {}, "red ramp": {}})
        collection.pipeline.embed_palettes()
        return collection

    def test_only_similar_looking_palettes_follow_the_best(self, alike):
        first, second = alike.pipeline.search("zeppelin").to_dicts()
        assert (first["name"], second["name"]) == ("viridis", "peacock")
        assert second["score"] < first["score"] / 2
        assert (second["tags"], second["colours"]) == ([], [])

    def test_without_results_nothing_is_similar(self, alike):
        assert alike.found("xyzzy qwrt") == []


class TestColours:
    @pytest.mark.parametrize(
        ("query", "first"),
        [("#f9e04c", "lemon sorbet"), ("yellow", "lemon sorbet"), ("808080", "graphite"), ("#5a0f20", "red wine")],
    )
    def test_the_palette_with_the_colour_comes_first(self, searchable, query, first):
        (row,) = searchable.pipeline.search(query, 1).to_dicts()
        assert row["name"] == first
        (near,) = row["colours"]
        assert 0 <= near["distance"] < 0.15

    def test_every_result_is_near_the_colour(self, searchable):
        for row in searchable.pipeline.search("#0a3d62").to_dicts():
            assert row["colours"]

    def test_a_colour_far_from_all_palettes_returns_nothing(self, searchable):
        assert searchable.found("#ff00ff") == []

    def test_palettes_with_more_of_the_colour_come_first(self, tmp_path, sample_rows):
        collection = Collection(tmp_path / "data")
        collection.add(*named(sample_rows, "orange ramp", "red and blue", "blue ramp"))
        collection.pipeline.embed_palettes()
        found = collection.found("#2171b5")
        assert found.index("blue ramp") < found.index("red and blue")
        assert "orange ramp" not in found

    def test_two_colours_match_palettes_with_both(self, tmp_path, sample_rows):
        collection = Collection(tmp_path / "data")
        collection.add(*named(sample_rows, "red ramp", "red and blue", "blue ramp"))
        collection.pipeline.embed_palettes()
        first = collection.pipeline.search("#b2182b and #2166ac").to_dicts()[0]
        assert (first["name"], len(first["colours"])) == ("red and blue", 2)


class TestNothing:
    @pytest.mark.parametrize(
        "query", ["", "   ", "???", "xyzzy qwrt", "asdf", "the of and", "a palette of colours", "\x00", "#", "日"]
    )
    def test_meaningless_queries_return_nothing(self, searchable, query):
        found = searchable.pipeline.search(query)
        assert found.height == 0
        assert found.schema == pl.Schema(SCHEMA)

    def test_a_palette_without_an_embedding_is_found_by_tags_and_colours(self, searchable, sample_rows):
        """It was imported after the others were embedded."""
        searchable.add(*named(sample_rows, "viridis"))
        assert searchable.found("viridis")[0] == "viridis"
        assert "viridis" in searchable.found("#440154")


class TestLimit:
    def test_returns_at_most_the_limit(self, searchable):
        everything = searchable.found("dark light warm cool varied high contrast", 100)
        assert len(everything) == 6
        assert searchable.found("dark light warm cool varied high contrast", 2) == everything[:2]

    @pytest.mark.parametrize("limit", [0, -1])
    def test_limits_below_one_are_rejected(self, searchable, limit):
        with pytest.raises(SearchError, match="the limit of a search is 1 or more, not"):
            searchable.pipeline.search("forest", limit)

    def test_the_best_are_those_of_a_full_sort(self, rng):
        blend = rng.integers(0, 50, size=1000).astype(np.float32)
        evidence = rng.random(1000) < 0.7
        scores = Scores(blend, blend, blend, blend, evidence)
        expected = [palette for palette in np.argsort(-blend, kind="stable").tolist() if evidence[palette]]
        for limit in (1, 10, 699, 1000):
            assert best_palettes(scores, limit) == expected[:limit]


class TestErrors:
    def test_nothing_published(self, tmp_path):
        with pytest.raises(WarehouseError, match="import palettes first"):
            Pipeline(Settings(tmp_path), {}).search("forest")

    def test_an_empty_database(self, tmp_path):
        pipeline = Pipeline(Settings(tmp_path), {})
        pipeline.warehouse.publish()
        with pytest.raises(SearchError, match="there are no palettes in .*grabient import"):
            pipeline.search("forest")

    def test_no_embeddings(self, collection):
        collection.pipeline.warehouse.publish()
        with pytest.raises(SearchError, match="no palette has been embedded yet; materialise palette_embeddings"):
            collection.pipeline.search("forest")

    def test_embeddings_of_another_model(self, searchable):
        settings = Settings(searchable.settings.data_dir, embedding_model="openai/text-embedding-3-small")
        with pytest.raises(
            SearchError, match="embedded with local/wordllama-256, not with openai/text-embedding-3-small"
        ):
            Pipeline(settings, {}).search("forest")

    def test_embeddings_of_another_dimension(self, searchable):
        searchable.rows("UPDATE palette_embeddings SET embedding = [1.0, 0.0], dimension = 2")
        searchable.pipeline.warehouse.publish()
        with pytest.raises(SearchError, match="have 2 dimensions, but the model now has 256"):
            searchable.pipeline.search("forest")

    def test_an_unknown_model(self, searchable):
        with pytest.raises(UnknownModelError, match="no embedding model 'ada'.*local/wordllama-256"):
            Pipeline(Settings(searchable.settings.data_dir, embedding_model="ada"), {}).search("forest")

    def test_a_query_that_is_too_long(self, searchable):
        with pytest.raises(SearchError, match="501 characters; the limit is 500"):
            searchable.pipeline.search("x" * 501)

    @pytest.mark.parametrize(
        "query", ["' OR 1=1 --", "%_%", "[bold]forest", "forest\n\r\x1b[31m", "😀 forest", "#fff " * 90, "a " * 250]
    )
    def test_unusual_queries_do_not_fail(self, searchable, query):
        searchable.pipeline.search(query)


class TestFreshness:
    def test_newly_published_tags_are_found(self, searchable):
        assert "graphite" not in searchable.found("zeppelin")
        searchable.tag({"graphite": {"associations": ["zeppelin"]}})
        searchable.pipeline.embed_palettes()
        assert searchable.found("zeppelin")[0] == "graphite"

    def test_the_index_is_loaded_once(self, searchable, monkeypatch):
        searchable.found("forest")

        def load(*_: object) -> None:
            raise AssertionError("loaded again")

        monkeypatch.setattr("grabient_pipeline.retrieval.index.load_index", load)
        assert searchable.found("whale")[0] == "deep ocean"

    def test_data_directories_are_separate(self, searchable, tmp_path, sample_rows):
        other = Collection(tmp_path / "other")
        other.add(*named(sample_rows, "viridis"))
        other.pipeline.embed_palettes()
        assert "viridis" in other.found("green")
        assert "viridis" not in searchable.found("green")


class TestInNotebooks:
    def test_one_import(self, searchable, monkeypatch):
        monkeypatch.setenv("GRABIENT_DATA_DIR", str(searchable.settings.data_dir))
        found = grabient_pipeline.search("calm autumn forest", limit=2)
        assert found.schema == pl.Schema(SCHEMA)
        assert found["name"][0] == "autumn forest"
        assert found["score"].to_list() == sorted(found["score"], reverse=True)
        assert found["hex"].list.len().to_list() == [11] * found.height
        assert (searchable.settings.data_dir / found["image_url"][0]).suffix == ".png"

    def test_the_function_can_be_imported(self, searchable, monkeypatch):
        monkeypatch.setenv("GRABIENT_DATA_DIR", str(searchable.settings.data_dir))
        from grabient_pipeline import search

        assert search("whale", 1)["name"].to_list() == ["deep ocean"]

    def test_in_a_new_process(self, searchable, run_python, tmp_path):
        elsewhere = tmp_path / "copied"
        shutil.copytree(searchable.settings.data_dir, elsewhere)
        process = run_python(
            "import grabient_pipeline; print(grabient_pipeline.search('whale')['name'][0]); "
            "print(grabient_pipeline.search('acorn')['name'][0])",
            environment={"GRABIENT_DATA_DIR": str(elsewhere)},
        )
        assert process.communicate(timeout=60) == ("deep ocean\nautumn forest\n", "")


def test_every_score_is_a_share(searchable):
    for query in ("forest", "#123456", "dark red wine", "calm #8b0000 velvet"):
        scores = searchable.pipeline.search(query)["score"].to_list()
        assert scores
        assert all(0 <= score <= 1 for score in scores)


def test_results_do_not_depend_on_import_order(tmp_path, sample_rows):
    results = []
    for number, names in enumerate((list(TAGS), list(TAGS)[::-1])):
        collection = Collection(tmp_path / str(number))
        collection.add(*named(sample_rows, *names))
        collection.tag(TAGS)
        collection.pipeline.embed_palettes()
        results.append(collection.pipeline.search("dark calm forest wine"))
    assert results[0].equals(results[1])
