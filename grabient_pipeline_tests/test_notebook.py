"""The notebook runs from first to last cell, and its stored output is small."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.settings import PROJECT_ROOT

NOTEBOOK = PROJECT_ROOT / "notebooks" / "explore.ipynb"
LARGEST_BYTES = 200_000
GRABIENT = Path(sys.executable).with_name("grabient")


def outputs(notebook: Any, kind: str) -> list[str]:
    """Return the outputs of all cells in a MIME type."""
    all_outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.data[kind] for output in all_outputs if "data" in output and kind in output.data]


def test_the_notebook_runs_on_the_data_of_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(
        [GRABIENT, "demo", "--palettes", "24", "--analysis-count", "1"],
        env={**os.environ, "GRABIENT_DATA_DIR": str(tmp_path)},
        capture_output=True,
        check=True,
    )
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path / "demo"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    tables = "\n".join(outputs(notebook, "text/html"))
    for model in load_catalogue().mission:
        # Once in the costs, once in the scorecard.
        assert tables.count(f"{model.provider}/{model.id}") == 2
    assert len(outputs(notebook, "image/png")) == 3
    assert not [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "error"
    ]


def test_the_stored_output_is_small_and_complete() -> None:
    assert NOTEBOOK.stat().st_size < LARGEST_BYTES
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(cell.outputs for cell in code)
    # It contains no path of the machine that ran it.
    assert str(Path.home()) not in NOTEBOOK.read_text("utf-8")
