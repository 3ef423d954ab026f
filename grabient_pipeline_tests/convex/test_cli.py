from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline_tests import convex_exports as exports
from grabient_pipeline_tests.cli.conftest import Grabient

ANSWERS = 3 * 2 * len(exports.MODELS)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """With every defect."""
    tables = exports.export("both")
    for spoil in exports.DEFECTS.values():
        spoil(tables)
    return exports.write_zip(tmp_path / "snapshot.zip", tables)


def test_the_way_of_a_move(grabient: Grabient, export: Path) -> None:
    told = grabient("import-convex", export, "--dry-run")
    assert told.status == 0
    assert told.out.endswith("Nothing was written.\n")
    assert grabient("status", "--json").json["answers"] == 0

    told = grabient("import-convex", export)
    assert told.status == 0
    assert "which model is meant cannot be decided" in told.out
    assert "1 batch under way will be polled from here" in told.out
    assert "grabient migrate check" in told.err
    assert grabient("status", "--json").json["usable_answers"] >= ANSWERS

    check = grabient("migrate", "check", "--json").json
    assert (check["clean"], check["neither"]) == (False, 1)
    assert "have neither" in grabient("migrate", "check").out
    refused = grabient("migrate", "clear-run-number")
    assert (refused.status, refused.out) == (1, "")
    assert "run grabient migrate run-number first" in refused.err
    assert "as the next that was free" in grabient("migrate", "run-number").out
    assert grabient("migrate", "run-number", "--json").json["to_next_free"] == 0
    assert "Clean" in grabient("migrate", "check").out
    cleared = grabient("migrate", "clear-run-number", "--json").json["cleared"]
    assert cleared >= ANSWERS
    assert grabient("migrate", "clear-run-number").out == "0 run numbers cleared\n"


def test_the_report_as_json(grabient: Grabient, export: Path) -> None:
    first = grabient("import-convex", export, "--json").json
    tags = first["tables"]["palette_tags"]
    assert tags["taken"] > ANSWERS
    assert sum(tags["set_aside"].values()) > 5
    again = grabient("import-convex", export, "--json").json["tables"]["palette_tags"]
    assert (again["taken"], again["set_aside"]) == (0, tags["set_aside"])


def test_a_table_that_cannot_be_read_to_its_end_fails_and_the_rest_is_there(grabient: Grabient, tmp_path: Path) -> None:
    path = exports.write_zip(tmp_path / "snapshot.zip", exports.export("both"))
    data = path.read_bytes()
    place = data.index(b"palette_tags/documents.jsonl") + 200
    path.write_bytes(data[:place] + bytes(100) + data[place + 100 :])
    told = grabient("import-convex", path)
    assert told.status == 1
    assert "palette_tags cannot be read beyond line" in told.err.splitlines()[-1]
    assert grabient("status", "--json").json["palettes"] == 3


@pytest.mark.parametrize("name", ["gone.zip", "text.zip", "."], ids=["absent", "no zip", "no export"])
def test_what_is_no_export_is_explained_in_one_line(grabient: Grabient, tmp_path: Path, name: str) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    folder = tmp_path / "empty"
    folder.mkdir()
    told = grabient("import-convex", folder if name == "." else tmp_path / name)
    assert (told.status, told.out) == (1, "")
    assert len(told.err.splitlines()) == 1
