"""`grabient search`: best matches first, with colours and reasons."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from grabient_pipeline_tests.cli.conftest import GRABIENT, Grabient
from grabient_pipeline_tests.retrieval.conftest import TAGS, Collection, named


@pytest.fixture
def searchable(data_dir: Path, sample_rows: list[dict[str, Any]]) -> Collection:
    collection = Collection(data_dir)
    collection.add(*named(sample_rows, *TAGS))
    collection.tag(TAGS)
    collection.pipeline.embed_palettes()
    return collection


def test_best_first_with_score_and_reasons(grabient: Grabient, searchable: Collection) -> None:
    result = grabient("search", "calm autumn forest", "--limit", "2")
    assert (result.status, result.err) == (0, "")
    first, why, *_ = result.out.splitlines()
    assert first.split(maxsplit=1)[1] == "autumn forest"
    assert 0 < float(first.split()[0]) <= 1
    assert "mood: calm" in why
    assert "associations: forest" in why


def test_words_need_no_quotes(grabient: Grabient, searchable: Collection) -> None:
    assert grabient("search", "calm", "autumn").out == grabient("search", "calm autumn").out


def test_a_colour_match_shows_its_distance(grabient: Grabient, searchable: Collection) -> None:
    result = grabient("search", "#808080", "--limit", "1")
    assert "graphite" in result.out
    assert "near #808080 (0.0" in result.out


def test_json_is_one_object(grabient: Grabient, searchable: Collection) -> None:
    answer = grabient("search", "whale", "--json").json
    assert answer["query"] == "whale"
    first = answer["palettes"][0]
    assert first["name"] == "deep ocean"
    assert first["tags"] == [{"field": "associations", "tag": "whale"}]
    assert len(first["hex"]) == 11
    assert set(first) == {"palette_id", "seed", "name", "score", "tags", "colours", "hex", "image_url"}


def test_no_match_is_reported_and_is_not_a_failure(grabient: Grabient, searchable: Collection) -> None:
    for query in ("xyzzy qwrt", "", "???"):
        result = grabient("search", query)
        assert (result.status, result.out, result.err) == (0, "No palette matches.\n", "")
    assert grabient("search", "xyzzy qwrt", "--json").json == {"query": "xyzzy qwrt", "palettes": []}


@pytest.mark.parametrize(
    ("arguments", "status"), [([], 2), (["forest", "--limit", "0"], 2), (["x" * 501], 1)], ids=["none", "limit", "long"]
)
def test_wrong_usage_is_explained_in_one_line(
    grabient: Grabient, searchable: Collection, arguments: list[str], status: int
) -> None:
    result = grabient("search", *arguments)
    assert (result.status, result.out) == (status, "")
    assert len(result.err.splitlines()) == 1


def test_missing_prerequisites_are_explained_in_one_line(
    grabient: Grabient, searchable: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRABIENT_EMBEDDING_MODEL", "ada")
    result = grabient("search", "forest")
    assert (result.status, result.out) == (1, "")
    assert "no embedding model 'ada'" in result.err
    monkeypatch.setenv("GRABIENT_EMBEDDING_MODEL", "")
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(searchable.settings.data_dir / "elsewhere"))
    result = grabient("search", "forest")
    assert (result.status, result.out) == (1, "")
    assert "import palettes first" in result.err


def test_a_terminal_shows_the_colours(searchable: Collection) -> None:
    """In a pseudo-terminal, in true colour; without colours under NO_COLOR."""
    (row,) = searchable.pipeline.search("graphite", 1).to_dicts()
    red, green, blue = bytes.fromhex(row["hex"][0][1:])
    shown = _in_a_terminal(searchable, COLORTERM="truecolor")
    assert f"\x1b[48;2;{red};{green};{blue}m" in shown
    assert shown.count("\x1b[48;2;") == 11
    assert "\x1b[" not in _in_a_terminal(searchable, NO_COLOR="1")


def _in_a_terminal(collection: Collection, **variables: str) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "GRABIENT_DATA_DIR": str(collection.settings.data_dir)}
    with subprocess.Popen(
        [GRABIENT, "search", "graphite", "--limit", "1"], stdout=theirs, stderr=theirs, env={**environment, **variables}
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65_536):
                shown += piece
        except OSError:
            # How Linux reports that a terminal is closed.
            pass
        assert process.wait(60) == 0
    os.close(ours)
    return shown.decode()
