"""The judged queries that search is measured and tuned with: every line can be relied on, and the folds are fair.

That the judgements are right no test can say; `docs/evaluation.md` says how they were made.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import grabient_pipeline
from grabient_pipeline.settings import SAMPLE_PALETTES

KINDS = ("colour", "hex", "season", "mood", "thing", "style", "attribute", "colour map", "nothing")
FOLDS = range(5)
GRADES = (1, 2, 3)
# A query that suits a fifth of all palettes tells one ranking from another no more.
MOST_RELEVANT = 30


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, refused when a key comes twice: of a palette judged twice the parser would keep the last grade."""
    repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    assert not repeated, f"twice in one object: {repeated}"
    return dict(pairs)


LINES = (Path(grabient_pipeline.__file__).parent / "search" / "evaluation.jsonl").read_text("utf-8").splitlines()
QUERIES = [json.loads(line, object_pairs_hook=once_each) for line in LINES]
PROJECT = Path(__file__).parents[2]
PALETTES = {json.loads(line)["name"] for line in SAMPLE_PALETTES.read_text("utf-8").splitlines()}

each_query = pytest.mark.parametrize("row", QUERIES, ids=[f"{row['kind']}: {row['query']}" for row in QUERIES])
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_query
def test_a_line_says_what_was_judged_and_nothing_else(row: dict[str, Any]) -> None:
    assert list(row) == ["query", "kind", "fold", "relevant"]
    assert isinstance(row["query"], str)
    assert row["query"] == row["query"].strip()
    assert row["kind"] in KINDS
    assert type(row["fold"]) is int
    assert row["fold"] in FOLDS


@each_query
def test_grades_are_of_palettes_that_exist(row: dict[str, Any]) -> None:
    assert set(row["relevant"]) <= PALETTES
    assert all(type(grade) is int and grade in GRADES for grade in row["relevant"].values())


@each_query
def test_a_query_has_palettes_to_find_unless_it_means_nothing(row: dict[str, Any]) -> None:
    if row["kind"] == "nothing":
        assert row["relevant"] == {}
        return
    assert row["query"]
    assert max(row["relevant"].values()) == 3
    # With one palette alone a query would ask for its name, not for its looks.
    assert 3 <= len(row["relevant"]) <= MOST_RELEVANT


@each_query
def test_a_hex_query_is_known_by_its_code(row: dict[str, Any]) -> None:
    has_code = re.search(r"(#([0-9a-f]{6}|[0-9a-f]{3})|^[0-9a-f]{6})\b", row["query"], re.IGNORECASE) is not None
    assert has_code == (row["kind"] == "hex")


def test_no_query_is_there_twice() -> None:
    assert len({row["query"].casefold() for row in QUERIES}) == len(QUERIES)


def test_there_are_enough_to_measure_with() -> None:
    assert len(QUERIES) >= 60


def test_every_palette_is_wanted_by_some_query() -> None:
    """A palette that no query asks for could vanish from the index and no figure would show it."""
    assert {name for row in QUERIES for name in row["relevant"]} == PALETTES


@each_kind
def test_every_kind_has_its_share(kind: str) -> None:
    assert sum(row["kind"] == kind for row in QUERIES) >= 5


@each_kind
def test_every_kind_is_spread_over_the_folds(kind: str) -> None:
    counts = Counter(row["fold"] for row in QUERIES if row["kind"] == kind)
    sizes = [counts[fold] for fold in FOLDS]
    assert max(sizes) - min(sizes) <= 1


def test_folds_are_of_one_size() -> None:
    counts = Counter(row["fold"] for row in QUERIES)
    sizes = [counts[fold] for fold in FOLDS]
    assert max(sizes) - min(sizes) <= 1


def test_the_document_counts_what_is_there() -> None:
    document = (PROJECT / "docs" / "evaluation.md").read_text("utf-8")
    told = {kind: int(count) for kind, count in re.findall(r"^\| `([a-z ]+)` \| (\d+) \|", document, re.MULTILINE)}
    assert told == Counter(row["kind"] for row in QUERIES)
    assert f"holds {len(QUERIES)} queries" in document
