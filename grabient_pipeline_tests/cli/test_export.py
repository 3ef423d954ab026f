from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline_tests.cli.conftest import Grabient


@pytest.mark.usefixtures("three_palettes")
def test_the_files_are_listed(grabient: Grabient, data_dir: Path) -> None:
    result = grabient("export")
    assert result.status == 0
    first, *files = result.out.splitlines()
    assert first == "3 palettes, 0 refined, 0 vectors"
    assert [Path(path) for path in files] == [
        data_dir / "export" / name for name in ("palettes.parquet", "palettes.jsonl", "palettes.csv")
    ]
    assert all(Path(path).is_file() for path in files)
    assert "no vectors yet" in result.err


@pytest.mark.usefixtures("three_palettes")
def test_as_json_into_another_folder(grabient: Grabient, tmp_path: Path) -> None:
    result = grabient("export", "--to", tmp_path / "site", "--format", "csv", "--only-refined", "--json").json
    assert result == {
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
def test_an_invalid_export_is_explained_in_one_line(grabient: Grabient, arguments: list[str], status: int) -> None:
    result = grabient("export", *arguments)
    assert (result.status, result.out) == (status, "")
    assert len(result.err.splitlines()) == 1
