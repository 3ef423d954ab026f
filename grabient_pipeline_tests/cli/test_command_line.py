"""What holds for every command: exit statuses, one line for a failure, nothing but the result on standard output."""

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
from grabient_pipeline_tests.cli.conftest import Grabient, Told

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
    told = grabient(*command.split(), "--help")
    assert told.status == 0
    assert f"Example: grabient {command}" in told.out


def test_help_names_every_command_and_is_there_at_once(process: Grabient) -> None:
    seconds: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        told = process("--help")
        seconds.append(time.perf_counter() - start)
    assert told.status == 0
    assert all(command.split()[0] in told.out for command in COMMANDS)
    assert not [line for line in told.out.splitlines() if line.rstrip().endswith("...") and "COMMAND" not in line]
    # Importing the pipeline alone would take longer than this.
    assert min(seconds) < 0.8


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["status", "--nonsense"], ["poll", "--interval", "-1"], ["config", "set", "nonsense", "1"]],
    ids=" ".join,
)
def test_wrong_usage_is_explained_in_one_line(grabient: Grabient, arguments: list[str]) -> None:
    told = grabient(*arguments)
    assert (told.status, told.out) == (2, "")
    assert len(told.err.splitlines()) == 1


def test_without_a_command_there_is_help(grabient: Grabient) -> None:
    for arguments in ([], ["config"]):
        told = grabient(*arguments)
        assert (told.status, told.out) == (2, "")
        assert told.err.startswith("Usage:")


def test_a_data_directory_that_cannot_be_is_explained_in_one_line(grabient: Grabient, data_dir: Path) -> None:
    data_dir.write_text("a file in its place")
    for command in ("status", "import", "backfill", "poll", "demo", "dev"):
        told = grabient(command)
        assert (told.status, told.out) == (1, "")
        (line,) = told.err.splitlines()
        assert line.startswith(f"grabient: cannot write to {data_dir}")


def test_json_is_all_there_is_on_standard_output(grabient: Grabient, process: Grabient) -> None:
    assert process("import", "--json").json == {"imported": 182, "already_there": 0, "invalid": []}
    assert grabient("backfill", "--json").json["batches"] == []
    assert grabient("poll", "--json").json["pending"] == 0
    assert grabient("status", "--json").json["palettes"] == 182
    models = grabient("models", "--json").json["models"]
    assert [model["model"] for model in models] == [model.name for model in load_catalogue().models]


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}], ids=["pipe", "NO_COLOR"])
def test_there_are_no_colours_where_there_should_be_none(process: Grabient, variables: dict[str, str]) -> None:
    for arguments in (["models"], ["import"], ["nonsense"]):
        told = process(*arguments, **variables)
        assert not ANSI.search(told.out + told.err)


def test_a_table_fits_the_terminal_and_is_whole_in_a_pipe(process: Grabient) -> None:
    narrow = process("models", COLUMNS="80").out
    assert max(map(len, narrow.splitlines())) <= 85
    assert "meta-llama/llama-4-scout-17b-16e-instruct" in process("models").out


def test_an_interruption_is_one_line(run_app: RunApp) -> None:
    told = run_app(KeyboardInterrupt())
    assert told.status == 130
    assert told.err.startswith("grabient: interrupted")


def test_an_unforeseen_exception_says_that_it_is_our_fault_and_shows_no_values(
    run_app: RunApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run_app(RuntimeError("sandbox-secret"))
    assert told.status == 1
    (line,) = told.err.splitlines()
    assert "RuntimeError" in line
    assert "fault of grabient" in line
    assert "secret" not in line
    monkeypatch.setenv("GRABIENT_DEBUG", "1")
    assert "Traceback" in run_app(RuntimeError("sandbox-secret")).err


def test_an_error_of_ours_is_one_line_that_is_shown_as_it_stands(run_app: RunApp) -> None:
    told = run_app(SettingsError("[bold]a\nb\x1b[31m\x07 \u202e c"))
    assert (told.status, told.err) == (1, "grabient: [bold]a b [31m    c\n")


def test_a_full_disk_is_not_our_fault(run_app: RunApp) -> None:
    told = run_app(OSError(28, "No space left on device", "/data"))
    assert (told.status, told.err) == (1, "grabient: No space left on device: /data\n")


def test_progress_is_a_few_lines_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with terminal.progress() as progress:
        for _ in range(100):
            progress.advance("drawing", 1, 100)
        progress.advance("drawing", 5, 5)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [f"drawing: {n} of 100" for n in (1, 25, 50, 75, 100)] + ["drawing: 5 of 5"]


def test_progress_on_a_terminal_tells_the_rate_and_the_time_left() -> None:
    """In a terminal that is none but for its screen."""
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
    with suppress(OSError):  # Linux tells so of the end of a terminal.
        while piece := os.read(ours, 65_536):
            shown += piece
    os.close(ours)
    assert process.wait(20) == 0
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode()
    last = [line for line in re.split(r"[\r\n]+", plain) if "of 1,000" in line][-1]
    assert re.search(r"drawing .* \d+ of 1,000 +\d+/s +0:00:0\d +left +00:\d\d", last), last


class RunApp:
    """Runs a command that ends with an exception."""

    def __init__(self, grabient: Grabient) -> None:
        self._raised: Exception | KeyboardInterrupt
        self._grabient = grabient

    def __call__(self, raised: BaseException) -> Told:
        from typer.testing import CliRunner

        from grabient_pipeline.cli.command_line import application

        failing = application("grabient", "Fails.")

        @failing.command()
        def fail() -> None:
            raise raised

        result = CliRunner().invoke(failing, ["fail"])
        return Told(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def run_app(grabient: Grabient) -> RunApp:
    return RunApp(grabient)


def test_completion_is_on() -> None:
    command = typer.main.get_command(app)
    assert {"--install-completion", "--show-completion"} <= {
        option for parameter in command.params for option in parameter.opts
    }
