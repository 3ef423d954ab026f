"""The consensus: one vote per model and tag, and a result that does not depend on the order of the rows."""

from __future__ import annotations

import random

import polars as pl
import pytest

from grabient_pipeline.consensus.counting import ConsensusReport, count_consensus
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES, FIELDS
from grabient_pipeline.warehouse import Warehouse, registered
from grabient_pipeline_tests.conftest import copy_template


@pytest.fixture
def warehouse(tmp_path, blank):
    return Warehouse.at(copy_template(blank, tmp_path))


def answer(model, index=0, *, seed="s", version="v1", error=None, **tags):
    """A row of palette_tags; `tags` are the fields that are not empty."""
    all_fields = {field: tags.get(field, None if field in ATTRIBUTES else []) for field in FIELDS}
    return {
        "seed": seed,
        "provider": "p",
        "model": model,
        "analysis_index": index,
        "prompt_version": version,
        "tags": None if error else all_fields,
        "error": error,
        "custom_id": f"{seed}-{version}-{model}-{index}",
    }


def store(warehouse, rows):
    tags = pl.Struct({field: pl.String() if field in ATTRIBUTES else pl.List(pl.String) for field in FIELDS})
    frame = pl.DataFrame(rows, schema_overrides={"tags": tags, "error": pl.String}, infer_schema_length=None)
    with warehouse.connect() as connection:
        connection.execute("DELETE FROM palette_tags")
        with registered(connection, "rows_of_test", frame):
            connection.execute("INSERT INTO palette_tags BY NAME SELECT *, now() AS created_at FROM rows_of_test")


def counted(warehouse, columns="*"):
    with warehouse.connect() as connection:
        ordered = connection.sql("FROM palette_tag_consensus ORDER BY seed, prompt_version")
        return ordered.project(columns).fetchall()


def tags_of(warehouse, field):
    with warehouse.connect() as connection:
        return connection.execute(
            "SELECT tag, votes, share, answers, models FROM consensus_tags WHERE field = ? ORDER BY place", [field]
        ).fetchall()


def test_a_model_has_one_vote_however_many_answers_it_gives(warehouse):
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


def test_a_tag_counts_once_per_answer(warehouse):
    store(warehouse, [answer("m", mood=["calm", "calm", "calm"], style=["calm"])])
    count_consensus(warehouse)
    assert tags_of(warehouse, "mood") == [("calm", 1.0, 1.0, 1, ["p/m"])]
    assert tags_of(warehouse, "style") == [("calm", 1.0, 1.0, 1, ["p/m"])]


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_counted_separately(warehouse, field):
    store(warehouse, [answer("m", **{field: "x" if field in ATTRIBUTES else ["x"]})])
    count_consensus(warehouse)
    for other in FIELDS:
        assert tags_of(warehouse, other) == ([("x", 1.0, 1.0, 1, ["p/m"])] if other == field else [])


def test_unusable_answers_have_no_vote(warehouse):
    store(warehouse, [answer("a", mood=["calm"]), answer("b", error="empty: x"), answer("a", 1, error="empty: x")])
    count_consensus(warehouse)
    assert counted(warehouse, "total_models, total_analyses") == [(1, 1)]


def test_without_usable_answers_there_is_no_consensus(warehouse):
    store(warehouse, [answer("a", error="empty: x")])
    assert count_consensus(warehouse) == ConsensusReport(0, 0)


def test_an_answer_with_an_empty_field_still_takes_its_share_of_the_vote(warehouse):
    store(
        warehouse,
        [answer("a", contrast="high"), answer("a", 1, contrast=None, mood=["x"]), answer("b", contrast="low")],
    )
    count_consensus(warehouse)
    assert [row[:3] for row in tags_of(warehouse, "contrast")] == [("low", 1.0, 0.5), ("high", 0.5, 0.25)]


def test_palettes_and_prompt_versions_are_counted_separately(warehouse):
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


def test_ties_are_broken_by_name_and_row_order_does_not_matter(warehouse):
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


def test_counting_in_pieces_gives_the_same_result(warehouse, monkeypatch):
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
    monkeypatch.setattr("grabient_pipeline.consensus.counting._PALETTES_PER_PIECE", 2)
    assert count_consensus(warehouse) == ConsensusReport(5, 5)
    assert counted(warehouse, "* EXCLUDE (counted_at)") == whole


def test_more_models_than_an_integer_has_bits(warehouse):
    models = [f"m{number:03d}" for number in range(150)]
    store(warehouse, [answer(model, mood=["calm"] if number % 2 else ["wild"]) for number, model in enumerate(models)])
    count_consensus(warehouse)
    assert tags_of(warehouse, "mood") == [
        ("calm", 75.0, 0.5, 75, [f"p/{model}" for model in models[1::2]]),
        ("wild", 75.0, 0.5, 75, [f"p/{model}" for model in models[0::2]]),
    ]


def test_thirds_add_up_to_one(warehouse):
    store(warehouse, [answer("m", index, mood=["calm"]) for index in range(3)])
    count_consensus(warehouse)
    assert tags_of(warehouse, "mood")[0][1:3] == (1.0, 1.0)


class TestRecounting:
    def test_unchanged_answers_change_nothing(self, warehouse):
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
    def test_changed_answers_change_the_digest(self, warehouse, rows):
        store(warehouse, [answer("m", mood=["calm"])])
        count_consensus(warehouse)
        ((before,),) = counted(warehouse, "digest")
        store(warehouse, rows)
        assert count_consensus(warehouse) == ConsensusReport(1, 1)
        ((after,),) = counted(warehouse, "digest")
        assert after != before
        assert after.startswith("v1/")

    def test_the_split_of_votes_changes_the_digest(self, warehouse):
        """3 + 1 and 2 + 2 answers of two models give the same tags from the same models, but different votes."""
        digests = []
        for first in (3, 2):
            moods = [["calm"]] * first + [["x"]] * (3 - first)
            other = [["calm"]] * (4 - first) + [["x"]] * (first - 1)
            rows = [answer("a", index, mood=mood) for index, mood in enumerate(moods)]
            rows += [answer("b", index, mood=mood) for index, mood in enumerate([*other, ["x"]])]
            store(warehouse, rows)
            count_consensus(warehouse)
            digests += counted(warehouse, "digest")
        assert digests[0] != digests[1]

    def test_the_digest_is_the_same_as_in_earlier_versions(self, warehouse):
        """Otherwise every consensus would count as changed, and every refinement as stale."""
        rows = [
            answer(
                "a",
                index,
                **{
                    field: f"{field} {index % 2}" if field in ATTRIBUTES else [f"{field} 1", f"{field} {index}"]
                    for field in FIELDS
                },
            )
            for index in range(3)
        ]
        store(warehouse, [*rows, answer("b", mood=["mood 1"], contrast="contrast 0")])
        count_consensus(warehouse)
        assert counted(warehouse, "digest") == [("v1/2033f19b70b4d471b8c3006f1bf72656",)]

    def test_a_palette_without_answers_loses_its_consensus(self, warehouse):
        store(warehouse, [answer("m", seed="s1", mood=["a"]), answer("m", seed="s2", mood=["b"])])
        count_consensus(warehouse)
        store(warehouse, [answer("m", seed="s2", mood=["b"])])
        assert count_consensus(warehouse).palettes == 1
        assert counted(warehouse, "seed") == [("s2",)]


def test_hostile_tags_stay_text(warehouse):
    hostile = ["'; DROP TABLE palettes; --", "\x1f\x1e\x1d", "{{x}}", '"', "日本"]
    store(warehouse, [answer("m", mood=hostile)])
    count_consensus(warehouse)
    assert sorted(tag for tag, *_ in tags_of(warehouse, "mood")) == sorted(hostile)
