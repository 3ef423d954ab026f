"""`grabient` commands as processes that a drill may kill.

By default they are forked from a process that has loaded the package (`warm.py`): a kill after a tenth of a second then
hits the work, and a thousand commands take minutes. `start_whole` starts the installed executable instead, as it is.
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

# No command of a drill takes a tenth of this; one that does hangs.
LONGEST_SECONDS = 180.0
# What the command line says of an exception that nobody foresaw.
_UNFORESEEN = ("this is a fault of grabient itself", "Traceback (most recent call last)")

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["drills.warm"])
_starting = threading.Lock()


class DrillFailed(Exception):
    """What did not hold."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and all that it said. `status` is -9 if it was killed."""

    arguments: tuple[str, ...]
    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL

    @property
    def last_line(self) -> str:
        return next((line for line in reversed(self.said.splitlines()) if line.strip()), "")

    def __str__(self) -> str:
        return f"grabient {' '.join(self.arguments)} ended with {self.status}: {self.last_line}"


@dataclass(frozen=True, slots=True)
class Running:
    """A command at work."""

    arguments: tuple[str, ...]
    pid: int
    output: Path
    _wait: Callable[[float], int | None]

    def kill_after(self, seconds: float) -> Ended:
        """`kill -9` at that time, unless it has ended by then."""
        if self._wait(seconds) is None:
            os.kill(self.pid, signal.SIGKILL)
        return self.ended()

    def wait_until(self, true: Callable[[], bool]) -> None:
        """Let it go on until something holds elsewhere."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while not true():
            if self._wait(0.02) is not None or time.monotonic() > deadline:
                raise DrillFailed(f"what was waited for did not come about; {self.ended()}")

    def ended(self) -> Ended:
        """Wait for its end."""
        status = self._wait(LONGEST_SECONDS)
        if status is None:
            os.kill(self.pid, signal.SIGKILL)
            self._wait(LONGEST_SECONDS)
            raise DrillFailed(f"grabient {' '.join(self.arguments)} did not end within {LONGEST_SECONDS:.0f} s")
        ended = Ended(self.arguments, status, *(_read(path) for path in _outputs(self.output)))
        if any(words in ended.said for words in _UNFORESEEN):
            raise DrillFailed(str(ended))
        return ended


def _outputs(output: Path) -> tuple[Path, Path]:
    """Where standard output and standard error of a command go."""
    return output, output.with_suffix(".err")


def _read(path: Path) -> str:
    # A process that is killed as it starts has not made its files yet.
    return path.read_text("utf-8", "replace") if path.exists() else ""


def start(arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> Running:
    """Start `grabient ARGUMENTS` with exactly this environment; what it says goes to `output`."""
    process = _forking.Process(target=_command, args=(tuple(arguments), dict(environment), str(output)), daemon=True)
    # The fork server has one caller at a time.
    with _starting:
        process.start()

    def wait(seconds: float) -> int | None:
        multiprocessing.connection.wait([process.sentinel], seconds)
        # Whoever starts a process looks after all that have ended, and of two that ask at once one is told nothing.
        with _starting:
            process.join(0)
            return process.exitcode

    assert process.pid is not None
    return Running(tuple(arguments), process.pid, output, wait)


def start_whole(arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> Running:
    """The same with the installed executable, from the start of its process to the end."""
    grabient = Path(sys.executable).with_name("grabient")
    out, err = _outputs(output)
    with out.open("wb") as out_file, err.open("wb") as err_file:
        process = subprocess.Popen(
            [grabient, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=out_file, stderr=err_file
        )

    def wait(seconds: float) -> int | None:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    return Running(tuple(arguments), process.pid, output, wait)


def _command(arguments: tuple[str, ...], environment: dict[str, str], output: str) -> None:
    for number, path in enumerate(_outputs(Path(output)), start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    from grabient_pipeline import crash_points as moments
    from grabient_pipeline.cli import main, recording

    # It reads its variable when it is loaded.
    importlib.reload(moments)
    # What a command leaves behind for the Dagster UI takes most of its time and is no part of the promise.
    recording.record = lambda *_: None
    sys.argv = ["grabient", *arguments]
    main()
