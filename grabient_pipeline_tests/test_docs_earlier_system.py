"""The guide for moving from the earlier system: every command in order, on an export with every defect."""

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
# Other programs, and placeholders to fill in.
NOT_OURS = ("npx", "export")


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line]
    return [line for line in lines if line.split()[0] not in NOT_OURS]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working directory with the snapshot of an old application and a dump of the site's database."""
    tables = exports.export("runs")
    later = exports.export("indexes")
    tables.documents["palette_tags"] += [
        {**document, **exports.document("l", number), "analysisIndex": 7.0}
        for number, document in enumerate(later.documents["palette_tags"][:10])
    ]
    for spoil in exports.DEFECTS.values():
        spoil(tables)
    exports.write_zip(tmp_path / "snapshot.zip", tables)
    database = sqlite3.connect(":memory:")
    database.executescript(SITE)
    (tmp_path / "site.sql").write_text("\n".join(database.iterdump()))
    return tmp_path


def test_every_command_of_the_guide_works_in_its_order(place: Path) -> None:
    assert len(commands()) > 12
    with d1_server() as site:
        site.database.execute("INSERT INTO palettes (id) VALUES (?)", [SEEDS[3]])
        environment = {
            "PATH": "",
            "HOME": str(place),
            "GRABIENT_DATA_DIR": str(place / "data"),
            "OPENAI_API_KEY": "key",
            **site.environment,
        }
        for command in commands():
            program, *arguments = shlex.split(command)
            assert program == "grabient", command
            done = subprocess.run(
                [GRABIENT, *arguments],
                cwd=place,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stderr
    assert (place / "data" / "export" / "palettes.parquet").is_file()
    assert (place / "site" / "palettes.csv").is_file()


def test_the_sql_of_the_guide_works(tmp_path: Path) -> None:
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.settings import Settings
    from grabient_pipeline.warehouse import connect

    Pipeline(Settings(tmp_path), {}).import_sample_palettes(1)
    (block,) = re.findall(r"```sql\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    with connect(tmp_path) as connection:
        for statement in block.strip().split(";\n"):
            assert connection.execute(statement).fetchall() == []
