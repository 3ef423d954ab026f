"""The guide for migrating from the earlier system: its commands in order, on an export with every known defect."""

from __future__ import annotations

import re
import shlex
import sqlite3
import subprocess
from pathlib import Path

import pytest

from grabient_pipeline.settings import PROJECT_ROOT
from grabient_pipeline_tests import convex_exports as exports
from grabient_pipeline_tests.cli.conftest import GRABIENT
from grabient_pipeline_tests.d1_server import SEEDS, SITE, d1_server

GUIDE = PROJECT_ROOT / "docs" / "earlier-system.md"
# Their commands need other software, or values to fill in.
OTHER_PROGRAMS = ("npx", "export")


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line]
    return [line for line in lines if line.split()[0] not in OTHER_PROGRAMS]


@pytest.fixture
def working_directory(tmp_path: Path) -> Path:
    """A working directory with the snapshot of an application and a dump of the site's database."""
    tables = exports.export("runs")
    other_export = exports.export("indexes")
    tables.documents["palette_tags"] += [
        {**document, **exports.document("l", number), "analysisIndex": 7.0}
        for number, document in enumerate(other_export.documents["palette_tags"][:10])
    ]
    for add_defect in exports.DEFECTS.values():
        add_defect(tables)
    exports.write_zip(tmp_path / "snapshot.zip", tables)
    database = sqlite3.connect(":memory:")
    database.executescript(SITE)
    (tmp_path / "site.sql").write_text("\n".join(database.iterdump()))
    return tmp_path


def test_the_commands_of_the_guide_work_in_order(working_directory: Path) -> None:
    assert len(commands()) > 12
    with d1_server() as site:
        site.database.execute("INSERT INTO palettes (id) VALUES (?)", [SEEDS[3]])
        environment = {
            "PATH": "",
            "HOME": str(working_directory),
            "GRABIENT_DATA_DIR": str(working_directory / "data"),
            "OPENAI_API_KEY": "key",
            **site.environment,
        }
        for command in commands():
            program, *arguments = shlex.split(command)
            assert program == "grabient", command
            completed = subprocess.run(
                [GRABIENT, *arguments],
                cwd=working_directory,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert completed.returncode == 0, f"{command}\n{completed.stdout}\n{completed.stderr}"
            assert "Traceback" not in completed.stderr
    assert (working_directory / "data" / "export" / "palettes.parquet").is_file()
    assert (working_directory / "site" / "palettes.csv").is_file()


def test_the_sql_of_the_guide_works(tmp_path: Path) -> None:
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.settings import Settings
    from grabient_pipeline.warehouse import connect

    Pipeline(Settings(tmp_path), {}).import_sample_palettes(1)
    (block,) = re.findall(r"```sql\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    with connect(tmp_path) as connection:
        for statement in block.strip().split(";\n"):
            assert connection.execute(statement).fetchall() == []
