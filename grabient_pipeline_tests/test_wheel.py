"""The wheel works without a checkout: it contains every file that it needs and writes below the working directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from grabient_pipeline.settings import PROJECT_ROOT

DEMO = "from grabient_pipeline.cli import main; main()"
WRITE_HOME = """
from grabient_pipeline.defs.instance import write_dagster_home
from grabient_pipeline.settings import Settings
print(write_dagster_home(Settings.from_environment()))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the contents of a new wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "built")]
    subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, check=True)
    (built,) = (folder / "built").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


@pytest.fixture
def installed(wheel: Path, tmp_path: Path):
    """Run Python code with the unpacked wheel in an empty directory; return its standard output."""

    def run(code: str, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GRABIENT_")}
        command = [sys.executable, "-P", "-c", code, *arguments]
        completed = subprocess.run(
            command,
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(wheel)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    return run


def test_the_wheel_holds_the_package_alone(wheel: Path):
    top_level = {path.name for path in wheel.iterdir()}
    assert {name for name in top_level if not name.endswith(".dist-info")} == {"grabient_pipeline"}


def test_the_demo_runs_from_the_wheel(installed, wheel: Path, tmp_path: Path):
    facts = json.loads(installed(DEMO, "demo", "--palettes", "2", "--analysis-count", "1", "--json"))
    assert facts["palettes"] == 2
    assert facts["database"] == str(tmp_path / "data" / "demo" / "grabient.duckdb")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_dagster_is_configured_from_the_wheel(installed, tmp_path: Path):
    home = Path(installed(WRITE_HOME).strip())
    assert home == tmp_path / "data" / "state" / "dagster"
    written = yaml.safe_load((home / "dagster.yaml").read_text("utf-8"))
    assert written["storage"]["sqlite"]["base_dir"] == str(home)
    (location,) = yaml.safe_load((home / "workspace.yaml").read_text("utf-8"))["load_from"]
    assert location["python_module"] == {
        "module_name": "grabient_pipeline.definitions",
        "location_name": "grabient_pipeline",
    }
