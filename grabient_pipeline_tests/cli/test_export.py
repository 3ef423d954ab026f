from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline_tests.cli.conftest import Grabient


@pytest.mark.usefixtures("three_palettes")
def test_the_files_are_named(grabient: Grabient, data_dir: Path) -> None:
    told = grabient("export")
    assert told.status == 0
    first, *files = told.out.splitlines()
    assert first == "3 palettes, 0 of them refined, 0 vectors"
    assert [Path(path) for path in files] == [
        data_dir / "export" / name for name in ("palettes.parquet", "palettes.jsonl", "palettes.csv")
    ]
    assert all(Path(path).is_file() for path in files)
    assert "no vectors yet" in told.err


@pytest.mark.usefixtures("three_palettes")
def test_as_json_and_elsewhere(grabient: Grabient, tmp_path: Path) -> None:
    told = grabient("export", "--to", tmp_path / "site", "--format", "csv", "--only-refined", "--json").json
    assert told == {
        "palettes": 0,
        "refined": 0,
        "vectors": 0,
        "embedding_model": None,
        "files": [str(tmp_path / "site" / "palettes.csv")],
    }


@pytest.mark.usefixtures("three_palettes")
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--format", "xlsx"], 2), (["--embedding-model", "x"], 1), (["--format", "vectorize"], 1)],
)
def test_what_cannot_be_is_explained_in_one_line(grabient: Grabient, arguments: list[str], status: int) -> None:
    told = grabient("export", *arguments)
    assert (told.status, told.out) == (status, "")
    assert len(told.err.splitlines()) == 1
