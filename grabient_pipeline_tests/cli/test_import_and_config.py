from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grabient_pipeline_tests.cli.conftest import Grabient


def test_import_counts_new_and_existing_palettes(grabient: Grabient, three_palettes: Path) -> None:
    again = grabient("import", three_palettes)
    assert (again.status, again.out) == (0, "0 imported, 3 already there, 0 invalid\n")


def test_import_without_a_file_fills_only_an_empty_database(grabient: Grabient) -> None:
    first = grabient("import")
    assert first.out == "182 imported, 0 already there, 0 invalid\n"
    assert "sample palettes" in first.err
    second = grabient("import")
    assert second.status == 0
    assert second.out.startswith("Nothing was imported: no file was named, and there are palettes already")


def test_import_reports_invalid_lines_and_imports_the_others(
    grabient: Grabient, tmp_path: Path, sample_rows: list[dict[str, Any]]
) -> None:
    file = tmp_path / "mixed.txt"
    file.write_text(f"{sample_rows[0]['seed']}\nnot a palette\n[red]\x1b[31mneither\n", "utf-8")
    result = grabient("import", file)
    assert result.status == 0
    assert result.out == "1 imported, 0 already there, 2 invalid\n"
    lines = result.err.splitlines()
    assert lines[0].startswith("mixed.txt, line 2: 'not a palette' is not a palette")
    assert lines[1].startswith("mixed.txt, line 3: '[red]")
    assert "\x1b" not in result.err

    result = grabient("import", file, "--json")
    assert result.json["already_there"] == 1
    assert [(each["file"], each["line"]) for each in result.json["invalid"]] == [("mixed.txt", 2), ("mixed.txt", 3)]


def test_import_of_only_invalid_lines_fails(grabient: Grabient, tmp_path: Path) -> None:
    file = tmp_path / "none.txt"
    file.write_text("nothing\n", "utf-8")
    result = grabient("import", file)
    assert result.status == 1
    assert result.err.splitlines()[-1] == f"grabient: no valid palette in {file}"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("absent.csv", None, "there is no such file", id="absent"),
        pytest.param("palettes.xlsx", b"", "unsupported kind of file", id="unknown kind"),
        pytest.param("latin.txt", "gr\xfcn".encode("latin-1"), "is not UTF-8", id="not UTF-8"),
        pytest.param("columns.csv", b"a,b\n1,2\n", "has no column", id="no seeds"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained_in_one_line(
    grabient: Grabient, tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    result = grabient("import", file)
    assert (result.status, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert reason in line


def test_the_analysis_count_is_stored(grabient: Grabient) -> None:
    assert grabient("config", "get").out == "tag-analysis-count 8\npatience-hours 24\nbackups 3,7,4\n"
    assert grabient("config", "set", "tag-analysis-count", 3).status == 0
    assert grabient("config", "get", "--json").json == {
        "tag-analysis-count": 3,
        "patience-hours": 24,
        "backups": "3,7,4",
    }


@pytest.mark.parametrize(("value", "status"), [("0", 1), ("21", 1), ("1.5", 2), ("-1", 2), ("many", 2)])
def test_an_invalid_analysis_count_is_explained_in_one_line(grabient: Grabient, value: str, status: int) -> None:
    for command in (["config", "set", "tag-analysis-count", value], ["backfill", f"--analysis-count={value}"]):
        result = grabient(*command)
        assert result.out == ""
        assert len(result.err.splitlines()) == 1
        assert result.status == (1 if "=-1" in command[-1] else status)
    assert grabient("config", "get").out == "tag-analysis-count 8\npatience-hours 24\nbackups 3,7,4\n"
