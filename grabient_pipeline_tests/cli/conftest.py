"""The command line: run in this process where that is enough, otherwise in its own process."""

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
class CommandResult:
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


Grabient = Callable[..., CommandResult]


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
    """Run a command in this process, without reporting to Dagster, which takes half of the time."""
    monkeypatch.setattr(recording, "record", lambda *_: None)

    def run(*arguments: object) -> CommandResult:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        completed = CommandResult(result.exit_code, result.stdout, result.stderr)
        assert "Traceback" not in completed.err, completed.err
        return completed

    return run


@pytest.fixture
def process(data_dir: Path) -> Grabient:
    """Run a command in its own process."""

    def run(*arguments: object, **variables: str) -> CommandResult:
        completed = subprocess.run(
            [GRABIENT, *map(str, arguments)],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return CommandResult(completed.returncode, completed.stdout, completed.stderr)

    return run


@pytest.fixture
def keys(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the key and the sandbox's address of every provider."""
    environment = sandbox.environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture
def three_palettes(imported: Path, data_dir: Path) -> Path:
    """A file of three palettes, imported."""
    copy_template(imported, data_dir)
    return imported / "seeds.txt"
