"""`grabient search`: best first, with colours and reasons; and an honest line where there is nothing."""

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
    told = grabient("search", "calm autumn forest", "--limit", "2")
    assert (told.status, told.err) == (0, "")
    first, why, *_ = told.out.splitlines()
    assert first.split(maxsplit=1)[1] == "autumn forest"
    assert 0 < float(first.split()[0]) <= 1
    assert "mood: calm" in why
    assert "associations: forest" in why


def test_words_need_no_quotes(grabient: Grabient, searchable: Collection) -> None:
    assert grabient("search", "calm", "autumn").out == grabient("search", "calm autumn").out


def test_a_colour_is_told_with_its_distance(grabient: Grabient, searchable: Collection) -> None:
    told = grabient("search", "#808080", "--limit", "1")
    assert "graphite" in told.out
    assert "near #808080 (0.0" in told.out


def test_json_is_one_object(grabient: Grabient, searchable: Collection) -> None:
    answer = grabient("search", "whale", "--json").json
    assert answer["query"] == "whale"
    first = answer["palettes"][0]
    assert first["name"] == "deep ocean"
    assert first["tags"] == [{"field": "associations", "tag": "whale"}]
    assert len(first["hex"]) == 11
    assert set(first) == {"palette_id", "seed", "name", "score", "tags", "colours", "hex", "image_url"}


def test_nothing_found_is_said_and_is_no_failure(grabient: Grabient, searchable: Collection) -> None:
    for query in ("xyzzy qwrt", "", "???"):
        told = grabient("search", query)
        assert (told.status, told.out, told.err) == (0, "No palette answers that.\n", "")
    assert grabient("search", "xyzzy qwrt", "--json").json == {"query": "xyzzy qwrt", "palettes": []}


@pytest.mark.parametrize(
    ("arguments", "status"), [([], 2), (["forest", "--limit", "0"], 2), (["x" * 501], 1)], ids=["none", "limit", "long"]
)
def test_wrong_usage_is_a_line(grabient: Grabient, searchable: Collection, arguments: list[str], status: int) -> None:
    told = grabient("search", *arguments)
    assert (told.status, told.out) == (status, "")
    assert len(told.err.splitlines()) == 1


def test_what_is_missing_is_explained_in_a_line(
    grabient: Grabient, searchable: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRABIENT_EMBEDDING_MODEL", "ada")
    told = grabient("search", "forest")
    assert (told.status, told.out) == (1, "")
    assert "no embedding model 'ada'" in told.err
    monkeypatch.setenv("GRABIENT_EMBEDDING_MODEL", "")
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(searchable.settings.data_dir / "elsewhere"))
    told = grabient("search", "forest")
    assert (told.status, told.out) == (1, "")
    assert "import palettes first" in told.err


def test_a_terminal_shows_the_colours(searchable: Collection) -> None:
    """In a real terminal, in its true colours; none for whoever wants none."""
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
            # Linux ends a terminal whose other side is closed with an error.
            pass
        assert process.wait(60) == 0
    os.close(ours)
    return shown.decode()
