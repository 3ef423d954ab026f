"""The consensus: a tag once an answer, a vote a model, the same result whatever came first."""

from __future__ import annotations

import random

import polars as pl
import pytest

from grabient_pipeline.consensus.counting import ConsensusReport, count_consensus
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES, FIELDS
from grabient_pipeline.warehouse import Warehouse
from grabient_pipeline_tests.conftest import begun


@pytest.fixture
def warehouse(tmp_path, blank):
    return Warehouse.at(begun(blank, tmp_path))


def answer(model, index=0, *, seed="s", version="v1", error=None, **tags):
    """A row of palette_tags; `tags` are the fields that the answer says something in."""
    said = {field: tags.get(field, None if field in ATTRIBUTES else []) for field in FIELDS}
    return {
        "seed": seed,
        "provider": "p",
        "model": model,
        "analysis_index": index,
        "prompt_version": version,
        "tags": None if error else said,
        "error": error,
        "custom_id": f"{seed}-{version}-{model}-{index}",
    }


def store(warehouse, rows):
    tags = pl.Struct({field: pl.String() if field in ATTRIBUTES else pl.List(pl.String) for field in FIELDS})
    frame = pl.DataFrame(rows, schema_overrides={"tags": tags, "error": pl.String}, infer_schema_length=None)
    with warehouse.connect() as connection:
        connection.register("rows_of_test", frame)
        connection.execute("DELETE FROM palette_tags")
        connection.execute("INSERT INTO palette_tags BY NAME SELECT *, now() AS created_at FROM rows_of_test")
        connection.unregister("rows_of_test")


def counted(warehouse, columns="*"):
    with warehouse.connect() as connection:
        ordered = connection.sql("FROM palette_tag_consensus ORDER BY seed, prompt_version")
        return ordered.project(columns).fetchall()


def tags_of(warehouse, field):
    with warehouse.connect() as connection:
        return connection.execute(
            "SELECT tag, votes, share, answers, models FROM consensus_tags WHERE field = ? ORDER BY place", [field]
        ).fetchall()


def test_a_model_has_one_vote_however_often_it_is_asked(warehouse):
    store(
        warehouse,
        [
            *(answer("often", index, mood=["calm"]) for index in range(8)),
            answer("once", mood=["wild"]),
            answer("twice", 0, mood=["wild", "calm"]),
            answer("twice", 1, mood=["wild"]),
        ],
    )
    assert count_consensus(warehouse) == ConsensusReport(1, 1)
    assert counted(warehouse, "total_models, total_analyses") == [(3, 11)]
    assert tags_of(warehouse, "mood") == [
        ("wild", 2.0, pytest.approx(2 / 3), 3, ["p/once", "p/twice"]),
        ("calm", 1.5, 0.5, 9, ["p/often", "p/twice"]),
    ]


def test_a_tag_counts_once_an_answer(warehouse):
    store(warehouse, [answer("m", mood=["calm", "calm", "calm"], style=["calm"])])
    count_consensus(warehouse)
    assert tags_of(warehouse, "mood") == [("calm", 1.0, 1.0, 1, ["p/m"])]
    assert tags_of(warehouse, "style") == [("calm", 1.0, 1.0, 1, ["p/m"])]


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_counted_by_itself(warehouse, field):
    store(warehouse, [answer("m", **{field: "x" if field in ATTRIBUTES else ["x"]})])
    count_consensus(warehouse)
    for other in FIELDS:
        assert tags_of(warehouse, other) == ([("x", 1.0, 1.0, 1, ["p/m"])] if other == field else [])


def test_what_cannot_be_used_has_no_vote(warehouse):
    store(warehouse, [answer("a", mood=["calm"]), answer("b", error="empty: x"), answer("a", 1, error="empty: x")])
    count_consensus(warehouse)
    assert counted(warehouse, "total_models, total_analyses") == [(1, 1)]


def test_no_usable_answer_is_no_consensus(warehouse):
    store(warehouse, [answer("a", error="empty: x")])
    assert count_consensus(warehouse) == ConsensusReport(0, 0)


def test_an_answer_that_says_nothing_in_a_field_still_weighs(warehouse):
    store(
        warehouse,
        [answer("a", contrast="high"), answer("a", 1, contrast=None, mood=["x"]), answer("b", contrast="low")],
    )
    count_consensus(warehouse)
    assert [row[:3] for row in tags_of(warehouse, "contrast")] == [("low", 1.0, 0.5), ("high", 0.5, 0.25)]


def test_palettes_and_prompt_versions_are_apart(warehouse):
    store(
        warehouse,
        [
            answer("m", seed="s1", mood=["a"]),
            answer("m", seed="s2", mood=["b"]),
            answer("m", seed="s1", version="v2", mood=["c"]),
        ],
    )
    assert count_consensus(warehouse).palettes == 3
    assert counted(warehouse, "seed, prompt_version, mood[1].tag") == [
        ("s1", "v1", "a"),
        ("s1", "v2", "c"),
        ("s2", "v1", "b"),
    ]


def test_ties_are_broken_by_name_and_nothing_depends_on_what_came_first(warehouse):
    rows = [
        answer(model, index, mood=moods)
        for model in ("x", "y", "z")
        for index, moods in enumerate((["b", "a"], ["c"], ["a", "c", "b"]))
    ]
    seen = set()
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        store(warehouse, rows)
        count_consensus(warehouse)
        seen.add(str(counted(warehouse, "* EXCLUDE (counted_at)")))
    assert len(seen) == 1
    assert [tag for tag, *_ in tags_of(warehouse, "mood")] == ["a", "b", "c"]


def test_pieces_are_counted_as_the_whole_is(warehouse, monkeypatch):
    rows = [
        answer(model, index, seed=seed, mood=["calm", f"{seed} {index}"], temperature="warm")
        for seed in "abcde"
        for model in ("x", "y")
        for index in range(3)
    ]
    store(warehouse, rows)
    assert count_consensus(warehouse) == ConsensusReport(5, 5)
    whole = counted(warehouse, "* EXCLUDE (counted_at)")
    with warehouse.connect() as connection:
        connection.execute("DELETE FROM palette_tag_consensus")
    monkeypatch.setattr("grabient_pipeline.consensus.counting._PIECE", 2)
    assert count_consensus(warehouse) == ConsensusReport(5, 5)
    assert counted(warehouse, "* EXCLUDE (counted_at)") == whole


def test_many_models_are_told_apart(warehouse):
    """More than the bits of any number."""
    models = [f"m{number:03d}" for number in range(150)]
    store(warehouse, [answer(model, mood=["calm"] if number % 2 else ["wild"]) for number, model in enumerate(models)])
    count_consensus(warehouse)
    assert tags_of(warehouse, "mood") == [
        ("calm", 75.0, 0.5, 75, [f"p/{model}" for model in models[1::2]]),
        ("wild", 75.0, 0.5, 75, [f"p/{model}" for model in models[0::2]]),
    ]


def test_thirds_add_up(warehouse):
    store(warehouse, [answer("m", index, mood=["calm"]) for index in range(3)])
    count_consensus(warehouse)
    assert tags_of(warehouse, "mood")[0][1:3] == (1.0, 1.0)


class TestCountingAgain:
    def test_the_same_answers_change_nothing(self, warehouse):
        store(warehouse, [answer("m", mood=["calm"])])
        count_consensus(warehouse)
        before = counted(warehouse)
        assert count_consensus(warehouse) == ConsensusReport(1, 0)
        assert counted(warehouse) == before

    @pytest.mark.parametrize(
        "rows",
        [
            [answer("m", mood=["calm"]), answer("m", 1, mood=["calm"])],
            [answer("m", mood=["wild"])],
            [answer("n", mood=["calm"])],
            [answer("m", mood=["calm"], contrast="low")],
        ],
        ids=["one more", "another tag", "another model", "another field"],
    )
    def test_other_answers_change_the_digest(self, warehouse, rows):
        store(warehouse, [answer("m", mood=["calm"])])
        count_consensus(warehouse)
        ((before,),) = counted(warehouse, "digest")
        store(warehouse, rows)
        assert count_consensus(warehouse) == ConsensusReport(1, 1)
        ((after,),) = counted(warehouse, "digest")
        assert after != before
        assert after.startswith("v1/")

    def test_who_said_it_how_often_changes_the_digest(self, warehouse):
        """3 + 1 answers of two models and 2 + 2 are the same tags from the same models, and not the same votes."""
        digests = []
        for first in (3, 2):
            said = [["calm"]] * first + [["x"]] * (3 - first)
            other = [["calm"]] * (4 - first) + [["x"]] * (first - 1)
            rows = [answer("a", index, mood=mood) for index, mood in enumerate(said)]
            rows += [answer("b", index, mood=mood) for index, mood in enumerate([*other, ["x"]])]
            store(warehouse, rows)
            count_consensus(warehouse)
            digests += counted(warehouse, "digest")
        assert digests[0] != digests[1]

    def test_a_palette_that_lost_its_answers_loses_its_consensus(self, warehouse):
        store(warehouse, [answer("m", seed="s1", mood=["a"]), answer("m", seed="s2", mood=["b"])])
        count_consensus(warehouse)
        store(warehouse, [answer("m", seed="s2", mood=["b"])])
        assert count_consensus(warehouse).palettes == 1
        assert counted(warehouse, "seed") == [("s2",)]


def test_hostile_tags_are_text(warehouse):
    hostile = ["'; DROP TABLE palettes; --", "\x1f\x1e\x1d", "{{x}}", '"', "日本"]
    store(warehouse, [answer("m", mood=hostile)])
    count_consensus(warehouse)
    assert sorted(tag for tag, *_ in tags_of(warehouse, "mood")) == sorted(hostile)
