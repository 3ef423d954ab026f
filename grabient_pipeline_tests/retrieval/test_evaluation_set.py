"""The judged query set: every line is valid, and the folds are balanced.

Tests cannot check the judgements themselves; `docs/evaluation.md` describes how they were made.
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
# A query that matches a fifth of all palettes does not discriminate between rankings.
MAX_RELEVANT = 30


def reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object, rejecting duplicate keys, of which the parser would silently keep the last."""
    repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    assert not repeated, f"twice in one object: {repeated}"
    return dict(pairs)


LINES = (Path(grabient_pipeline.__file__).parent / "retrieval" / "evaluation.jsonl").read_text("utf-8").splitlines()
QUERIES = [json.loads(line, object_pairs_hook=reject_duplicates) for line in LINES]
PROJECT = Path(__file__).parents[2]
PALETTES = {json.loads(line)["name"] for line in SAMPLE_PALETTES.read_text("utf-8").splitlines()}

each_query = pytest.mark.parametrize("row", QUERIES, ids=[f"{row['kind']}: {row['query']}" for row in QUERIES])
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_query
def test_each_line_has_exactly_the_known_fields(row: dict[str, Any]) -> None:
    assert list(row) == ["query", "kind", "fold", "relevant"]
    assert isinstance(row["query"], str)
    assert row["query"] == row["query"].strip()
    assert row["kind"] in KINDS
    assert type(row["fold"]) is int
    assert row["fold"] in FOLDS


@each_query
def test_grades_refer_to_sample_palettes(row: dict[str, Any]) -> None:
    assert set(row["relevant"]) <= PALETTES
    assert all(type(grade) is int and grade in GRADES for grade in row["relevant"].values())


@each_query
def test_only_meaningless_queries_have_no_relevant_palettes(row: dict[str, Any]) -> None:
    if row["kind"] == "nothing":
        assert row["relevant"] == {}
        return
    assert row["query"]
    assert max(row["relevant"].values()) == 3
    # A query with a single relevant palette would test for its name, not for its looks.
    assert 3 <= len(row["relevant"]) <= MAX_RELEVANT


@each_query
def test_hex_queries_are_those_with_a_hex_code(row: dict[str, Any]) -> None:
    has_code = re.search(r"(#([0-9a-f]{6}|[0-9a-f]{3})|^[0-9a-f]{6})\b", row["query"], re.IGNORECASE) is not None
    assert has_code == (row["kind"] == "hex")


def test_queries_are_unique() -> None:
    assert len({row["query"].casefold() for row in QUERIES}) == len(QUERIES)


def test_there_are_enough_queries() -> None:
    assert len(QUERIES) >= 60


def test_every_sample_palette_is_relevant_to_some_query() -> None:
    """Otherwise a palette could be missing from the index without changing any metric."""
    assert {name for row in QUERIES for name in row["relevant"]} == PALETTES


@each_kind
def test_every_kind_has_enough_queries(kind: str) -> None:
    assert sum(row["kind"] == kind for row in QUERIES) >= 5


@each_kind
def test_every_kind_is_spread_over_the_folds(kind: str) -> None:
    counts = Counter(row["fold"] for row in QUERIES if row["kind"] == kind)
    sizes = [counts[fold] for fold in FOLDS]
    assert max(sizes) - min(sizes) <= 1


def test_folds_have_equal_size() -> None:
    counts = Counter(row["fold"] for row in QUERIES)
    sizes = [counts[fold] for fold in FOLDS]
    assert max(sizes) - min(sizes) <= 1


def test_the_document_has_the_right_counts() -> None:
    document = (PROJECT / "docs" / "evaluation.md").read_text("utf-8")
    documented = {
        kind: int(count) for kind, count in re.findall(r"^\| `([a-z ]+)` \| (\d+) \|", document, re.MULTILINE)
    }
    assert documented == Counter(row["kind"] for row in QUERIES)
    assert f"holds {len(QUERIES)} queries" in document
