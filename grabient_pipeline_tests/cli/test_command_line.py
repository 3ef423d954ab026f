"""Rules for every command: exit statuses, one line for a failure, only the result on standard output."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import typer

from grabient_pipeline.cli import app, terminal
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline_tests.cli.conftest import CommandResult, Grabient

COMMANDS = [
    *(
        "backfill",
        "cancel",
        "config get",
        "config set",
        "demo",
        "dev",
        "evaluate",
        "gallery",
        "import",
        "models",
        "poll",
    ),
    *("quarantine", "reconcile", "refine", "sandbox", "scorecard", "search", "status"),
]
ANSI = re.compile(r"\x1b\[")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(grabient: Grabient, command: str) -> None:
    result = grabient(*command.split(), "--help")
    assert result.status == 0
    assert f"Example: grabient {command}" in result.out


def test_help_names_every_command_and_is_fast(process: Grabient) -> None:
    seconds: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        result = process("--help")
        seconds.append(time.perf_counter() - start)
    assert result.status == 0
    assert all(command.split()[0] in result.out for command in COMMANDS)
    assert not [line for line in result.out.splitlines() if line.rstrip().endswith("...") and "COMMAND" not in line]
    # Importing the pipeline alone would take longer than this.
    assert min(seconds) < 0.8


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["status", "--nonsense"], ["poll", "--interval", "-1"], ["config", "set", "nonsense", "1"]],
    ids=" ".join,
)
def test_wrong_usage_is_explained_in_one_line(grabient: Grabient, arguments: list[str]) -> None:
    result = grabient(*arguments)
    assert (result.status, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1


def test_without_a_command_there_is_help(grabient: Grabient) -> None:
    for arguments in ([], ["config"]):
        result = grabient(*arguments)
        assert (result.status, result.out) == (2, "")
        assert result.err.startswith("Usage:")


def test_an_unusable_data_directory_is_explained_in_one_line(grabient: Grabient, data_dir: Path) -> None:
    data_dir.write_text("a file in its place")
    for command in ("status", "import", "backfill", "poll", "demo", "dev"):
        result = grabient(command)
        assert (result.status, result.out) == (1, "")
        (line,) = result.err.splitlines()
        assert line.startswith(f"grabient: cannot write to {data_dir}")


def test_with_json_standard_output_is_one_object(grabient: Grabient, process: Grabient) -> None:
    assert process("import", "--json").json == {"imported": 182, "already_there": 0, "invalid": []}
    assert grabient("backfill", "--json").json["batches"] == []
    assert grabient("poll", "--json").json["pending"] == 0
    assert grabient("status", "--json").json["palettes"] == 182
    models = grabient("models", "--json").json["models"]
    assert [model["model"] for model in models] == [model.name for model in load_catalogue().models]


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}], ids=["pipe", "NO_COLOR"])
def test_there_are_no_colours_in_a_pipe_or_with_no_color(process: Grabient, variables: dict[str, str]) -> None:
    for arguments in (["models"], ["import"], ["nonsense"]):
        result = process(*arguments, **variables)
        assert not ANSI.search(result.out + result.err)


def test_a_table_fits_the_terminal_and_is_complete_in_a_pipe(process: Grabient) -> None:
    narrow = process("models", COLUMNS="80").out
    assert max(map(len, narrow.splitlines())) <= 85
    assert "meta-llama/llama-4-scout-17b-16e-instruct" in process("models").out


def test_an_interruption_is_one_line(run_app: RunApp) -> None:
    result = run_app(KeyboardInterrupt())
    assert result.status == 130
    assert result.err.startswith("grabient: interrupted")


def test_an_unexpected_exception_is_an_internal_error_without_values(
    run_app: RunApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run_app(RuntimeError("sandbox-secret"))
    assert result.status == 1
    (line,) = result.err.splitlines()
    assert "RuntimeError" in line
    assert "internal error; please report it" in line
    assert "secret" not in line
    monkeypatch.setenv("GRABIENT_DEBUG", "1")
    assert "Traceback" in run_app(RuntimeError("sandbox-secret")).err


def test_an_expected_error_is_one_line_without_markup_or_control_characters(run_app: RunApp) -> None:
    result = run_app(SettingsError("[bold]a\nb\x1b[31m\x07 \u202e c"))
    assert (result.status, result.err) == (1, "grabient: [bold]a b [31m    c\n")


def test_a_full_disk_is_not_an_internal_error(run_app: RunApp) -> None:
    result = run_app(OSError(28, "No space left on device", "/data"))
    assert (result.status, result.err) == (1, "grabient: No space left on device: /data\n")


def test_progress_is_a_few_lines_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with terminal.progress() as progress:
        for _ in range(100):
            progress.advance("drawing", 1, 100)
        progress.advance("drawing", 5, 5)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [f"drawing: {n} of 100" for n in (1, 25, 50, 75, 100)] + ["drawing: 5 of 5"]


def test_progress_in_a_terminal_shows_the_rate_and_the_time_left() -> None:
    """In a pseudo-terminal."""
    text = """
import time
from grabient_pipeline.cli import terminal
with terminal.progress() as progress:
    for _ in range(15):
        progress.advance("drawing", 10, 1_000)
        time.sleep(0.1)
"""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-c", text], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # How Linux reports that a terminal is closed.
        while piece := os.read(ours, 65_536):
            shown += piece
    os.close(ours)
    assert process.wait(20) == 0
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode()
    last = [line for line in re.split(r"[\r\n]+", plain) if "of 1,000" in line][-1]
    assert re.search(r"drawing .* \d+ of 1,000 +\d+/s +0:00:0\d +left +00:\d\d", last), last


class RunApp:
    """Run a command that raises an exception."""

    def __init__(self, grabient: Grabient) -> None:
        self._raised: Exception | KeyboardInterrupt
        self._grabient = grabient

    def __call__(self, raised: BaseException) -> CommandResult:
        from typer.testing import CliRunner

        from grabient_pipeline.cli.command_line import application

        failing = application("grabient", "Fails.")

        @failing.command()
        def fail() -> None:
            raise raised

        result = CliRunner().invoke(failing, ["fail"])
        return CommandResult(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def run_app(grabient: Grabient) -> RunApp:
    return RunApp(grabient)


def test_completion_is_enabled() -> None:
    command = typer.main.get_command(app)
    assert {"--install-completion", "--show-completion"} <= {
        option for parameter in command.params for option in parameter.opts
    }
