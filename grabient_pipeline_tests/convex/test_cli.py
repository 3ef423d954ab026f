from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline_tests import convex_exports as exports
from grabient_pipeline_tests.cli.conftest import Grabient

ANSWERS = 3 * 2 * len(exports.MODELS)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export with every defect."""
    tables = exports.export("both")
    for damage in exports.DEFECTS.values():
        damage(tables)
    return exports.write_zip(tmp_path / "snapshot.zip", tables)


def test_the_steps_of_a_migration(grabient: Grabient, export: Path) -> None:
    result = grabient("import-convex", export, "--dry-run")
    assert result.status == 0
    assert result.out.endswith("Nothing was written.\n")
    assert grabient("status", "--json").json["answers"] == 0

    result = grabient("import-convex", export)
    assert result.status == 0
    assert "the model cannot be determined" in result.out
    assert "1 batch in progress will be polled from here" in result.out
    assert "grabient migrate check" in result.err
    assert grabient("status", "--json").json["usable_answers"] >= ANSWERS

    check = grabient("migrate", "check", "--json").json
    assert (check["clean"], check["neither"]) == (False, 1)
    assert "have neither" in grabient("migrate", "check").out
    refused = grabient("migrate", "clear-run-number")
    assert (refused.status, refused.out) == (1, "")
    assert "run grabient migrate run-number first" in refused.err
    assert "as the next free index" in grabient("migrate", "run-number").out
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


def test_a_broken_table_fails_the_command_and_the_rest_is_imported(grabient: Grabient, tmp_path: Path) -> None:
    path = exports.write_zip(tmp_path / "snapshot.zip", exports.export("both"))
    data = path.read_bytes()
    place = data.index(b"palette_tags/documents.jsonl") + 200
    path.write_bytes(data[:place] + bytes(100) + data[place + 100 :])
    result = grabient("import-convex", path)
    assert result.status == 1
    assert "palette_tags cannot be read beyond line" in result.err.splitlines()[-1]
    assert grabient("status", "--json").json["palettes"] == 3


@pytest.mark.parametrize("name", ["gone.zip", "text.zip", "."], ids=["absent", "no zip", "no export"])
def test_a_path_that_is_not_an_export_is_explained_in_one_line(grabient: Grabient, tmp_path: Path, name: str) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    folder = tmp_path / "empty"
    folder.mkdir()
    result = grabient("import-convex", folder if name == "." else tmp_path / name)
    assert (result.status, result.out) == (1, "")
    assert len(result.err.splitlines()) == 1
