"""A ledger with answers, made once, and ways to lose or damage its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

import grabient_pipeline
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests.catalogue import MODELS
from grabient_pipeline_tests.conftest import Workbench, copy_template

# The header of the file; then blocks of this size.
HEADER = 3 * 4096
BLOCK = 262_144


@pytest.fixture(scope="session")
def answered_template(make_once: Callable[..., Path], imported: Path) -> Path:
    """A data directory with three palettes, their answers, and its published copy. Its files must not change."""

    def make(folder: Path) -> None:
        with SandboxServer(where="thread", batch_seconds=0) as server:
            workbench = Workbench(copy_template(imported, folder, sandbox=True), server)
            workbench.backfill(MODELS["openai"], analysis_count=2)
            workbench.settle()

    return make_once("answered", make)


@pytest.fixture
def answered(answered_template: Path, tmp_path: Path) -> Settings:
    """A copy of that data directory, without a provider."""
    shutil.copytree(answered_template, tmp_path / "data", ignore=shutil.ignore_patterns("*.lock"))
    return Settings(tmp_path / "data", sandbox=True)


def count_answers(settings: Settings) -> int:
    """Count the answers in the published copy."""
    with grabient_pipeline.connect(settings.data_dir) as connection:
        return connection.execute("SELECT count(*) FROM tag_responses").fetchall()[0][0]


def lose(settings: Settings, how: str) -> None:
    """Lose the working database in one of several ways."""
    match how:
        case "folder":
            shutil.rmtree(settings.state_dir)
        case "missing":
            settings.warehouse.unlink()
        case "empty":
            settings.warehouse.write_bytes(b"")
        case "truncated":
            content = settings.warehouse.read_bytes()
            settings.warehouse.write_bytes(content[: len(content) // 2])
        case _:
            settings.warehouse.write_bytes(b"\0" * 8192)


LOSSES = ["folder", "missing", "empty", "truncated", "zeros"]
"""The arguments of `lose`."""


def blocks_of(path: Path, table: str) -> list[int]:
    """Return the numbers of the blocks that hold a table."""
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(
            "SELECT DISTINCT block_id FROM pragma_storage_info(?) WHERE block_id >= 0 ORDER BY 1", [table]
        ).fetchall()
    return [block for (block,) in rows]


def damage_block(path: Path, block: int, place: int = 1000) -> None:
    """Overwrite 56 bytes in a block with noise. The time of the last change moves on, as with any write.

    DuckDB's checksum is the exclusive or of a product of each word, so the same change of two equal words cancels out.
    """
    noise = bytes((37 * number + 11) % 256 for number in range(56))
    with path.open("r+b") as file:
        file.seek(HEADER + block * BLOCK + place)
        file.write(noise)


def open_again(settings: Settings) -> Pipeline:
    """Return a new pipeline, as another process has one."""
    return Pipeline(settings, {})
