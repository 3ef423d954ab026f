"""The command line as people meet it: in this process where that is enough, else as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grabient_pipeline.cli import app, recording
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline_tests.conftest import copy_template

GRABIENT = Path(sys.executable).with_name("grabient")


@dataclass(frozen=True)
class Told:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


Grabient = Callable[..., Told]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of the commands of this test."""
    path = tmp_path / "data"
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(path))
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "GRABIENT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.fixture
def grabient(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Grabient:
    """Runs a command in this process.

    What it leaves behind for the Dagster UI takes half of its time; `test_recording.py` is about that, the others not.
    """
    monkeypatch.setattr(recording, "record", lambda *_: None)

    def run(*arguments: object) -> Told:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        told = Told(result.exit_code, result.stdout, result.stderr)
        assert "Traceback" not in told.err, told.err
        return told

    return run


@pytest.fixture
def process(data_dir: Path) -> Grabient:
    """Runs a command in a process of its own."""

    def run(*arguments: object, **variables: str) -> Told:
        done = subprocess.run(
            [GRABIENT, *map(str, arguments)],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Told(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def keys(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Every provider has a key, and its address is the sandbox's."""
    environment = sandbox.environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture
def three_palettes(imported: Path, data_dir: Path) -> Path:
    """A file of three palettes, imported."""
    copy_template(imported, data_dir)
    return imported / "seeds.txt"
