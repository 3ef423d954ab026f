"""`grabient` commands as processes that a drill can kill.

By default a command is forked from a process that has imported the package (`preload.py`). A kill after a tenth of a
second then interrupts the work itself, and a thousand commands take minutes. `start_installed` runs the installed
executable instead.
"""

from __future__ import annotations

import importlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# No command of a drill takes a tenth of this; one that reaches it hangs.
TIMEOUT_SECONDS = 180.0
# How the command line reports an unexpected exception.
UNEXPECTED_ERROR = "internal error; please report it"
_UNEXPECTED_ERRORS = (UNEXPECTED_ERROR, "Traceback (most recent call last)")

_FORK_SERVER = multiprocessing.get_context("forkserver")
_FORK_SERVER.set_forkserver_preload(["drills.preload"])
_process_lock = threading.Lock()


class DrillFailed(Exception):
    """A guarantee that a drill checks does not hold."""


@dataclass(frozen=True, slots=True)
class CompletedCommand:
    """The exit status of a command, -9 if it was killed, and everything that it printed."""

    arguments: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Standard output followed by standard error."""
        return self.stdout + self.stderr

    @property
    def unwrapped_output(self) -> str:
        """The output as a single line, so that a message can be found whatever the width of the terminal."""
        return " ".join(self.output.split())

    @property
    def killed(self) -> bool:
        """Whether the process ended by SIGKILL."""
        return self.status == -signal.SIGKILL

    def __str__(self) -> str:
        last_line = next((line for line in reversed(self.output.splitlines()) if line.strip()), "")
        return f"grabient {' '.join(self.arguments)} exited with {self.status}: {last_line}"


@dataclass(frozen=True, slots=True)
class RunningCommand:
    """A command that has been started."""

    arguments: tuple[str, ...]
    pid: int
    output: Path
    # Waits for at most so many seconds; gives the exit status, or None if the process still runs.
    _wait: Callable[[float], int | None]

    def kill_after(self, seconds: float) -> CompletedCommand:
        """Kill the process after this time, unless it has exited by then."""
        if self._wait(seconds) is None:
            os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Let the process run until a condition holds.

        Raises:
            DrillFailed: the process exited, or the time ran out, before the condition held.
        """
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            if self._wait(0.02) is not None or time.monotonic() > deadline:
                raise DrillFailed(f"the expected condition did not occur; {self.wait()}")

    def wait(self) -> CompletedCommand:
        """Wait until the process exits.

        Raises:
            DrillFailed: it hangs, or it reported an unexpected exception.
        """
        status = self._wait(TIMEOUT_SECONDS)
        if status is None:
            os.kill(self.pid, signal.SIGKILL)
            self._wait(TIMEOUT_SECONDS)
            raise DrillFailed(f"grabient {' '.join(self.arguments)} did not exit within {TIMEOUT_SECONDS:.0f} s")
        completed = CompletedCommand(self.arguments, status, *(_read(path) for path in _output_paths(self.output)))
        if any(words in completed.output for words in _UNEXPECTED_ERRORS):
            raise DrillFailed(str(completed))
        return completed


def _output_paths(output: Path) -> tuple[Path, Path]:
    """Return the files for standard output and standard error."""
    return output, output.with_suffix(".err")


def _read(path: Path) -> str:
    # A process that is killed while starting has not created its files.
    return path.read_text("utf-8", "replace") if path.exists() else ""


def start(arguments: Sequence[str], variables: Mapping[str, str], output: Path) -> RunningCommand:
    """Fork `grabient ARGUMENTS` with exactly these environment variables, printing to `output`."""
    process = _FORK_SERVER.Process(
        target=_run_command, args=(tuple(arguments), dict(variables), str(output)), daemon=True
    )
    # The fork server serves one caller at a time.
    with _process_lock:
        process.start()

    def wait(seconds: float) -> int | None:
        multiprocessing.connection.wait([process.sentinel], seconds)
        # Every start also reaps all exited processes, and of two threads that reap at once one gets no status.
        with _process_lock:
            process.join(0)
            return process.exitcode

    assert process.pid is not None
    return RunningCommand(tuple(arguments), process.pid, output, wait)


def start_installed(arguments: Sequence[str], variables: Mapping[str, str], output: Path) -> RunningCommand:
    """Start the installed executable, so that the process includes its imports and its shutdown."""
    grabient = Path(sys.executable).with_name("grabient")
    stdout, stderr = _output_paths(output)
    with stdout.open("wb") as stdout_file, stderr.open("wb") as stderr_file:
        process = subprocess.Popen(
            [grabient, *arguments], env=variables, stdin=subprocess.DEVNULL, stdout=stdout_file, stderr=stderr_file
        )

    def wait(seconds: float) -> int | None:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    return RunningCommand(tuple(arguments), process.pid, output, wait)


def _run_command(arguments: tuple[str, ...], variables: dict[str, str], output: str) -> None:
    for number, path in enumerate(_output_paths(Path(output)), start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(variables)
    from grabient_pipeline import crash_points
    from grabient_pipeline.cli import main, recording

    # The module reads its variable on import.
    importlib.reload(crash_points)
    # Recording runs for the Dagster UI takes most of a command's time and is not what the drills test.
    recording.record = lambda *_: None
    sys.argv = ["grabient", *arguments]
    main()
