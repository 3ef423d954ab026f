"""Several processes at once, and people who hold a database file open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from drills.commands import DrillFailed, RunningCommand
from drills.drill import Drill
from drills.environment import DrillEnvironment

_OPERATOR_SECONDS = 8.0

# Opens the file, prints "open", holds it until standard input closes, then prints whether its content stayed the same.
_HOLDER = """
import sys, time, duckdb
path, mode, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
deadline = time.monotonic() + 30
while True:
    try:
        connection = duckdb.connect(path, read_only=mode == "read")
        break
    except duckdb.Error:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.01)
count = lambda: connection.execute("SELECT count(*) FROM tag_requests").fetchone()[0]
before = count()
print("open", flush=True)
if seconds:
    time.sleep(seconds)
else:
    sys.stdin.read()
print(before == count(), flush=True)
"""


def concurrency_drills() -> Iterator[Drill]:
    """Yield drills that run commands at the same time as other work."""
    drills = {
        "two concurrent backfills": partial(_submit_concurrently, processes=2),
        "four concurrent backfills": partial(_submit_concurrently, processes=4),
        "two poll --watch": _watch_twice,
        "backfill during collection": _backfill_during_collection,
        "reconcile during backfill": _reconcile_during_backfill,
        "notebook holding the published file": _hold_published_file,
        "operator holding the working database": _hold_working_database,
    }
    for name, run in drills.items():
        yield Drill(name, name, run)
    name = "two concurrent refinements"
    yield Drill(name, name, partial(_submit_concurrently, processes=2), ("anthropic",), "refinement")


def _wait_for_success(commands: Sequence[RunningCommand]) -> None:
    completed = [command.wait() for command in commands]
    for command in completed:
        if command.status != 0:
            raise DrillFailed(str(command))


def _submit_concurrently(environment: DrillEnvironment, processes: int) -> None:
    _wait_for_success([environment.start(*environment.submit_command) for _ in range(processes)])
    palettes = environment.run_json("status")["palettes"]
    analyses = 1 if environment.stage == "refinement" else environment.analyses
    slots = palettes * analyses * len(environment.providers)
    submitted = sum(batch["request_count"] for batch in environment.provider_batches())
    if submitted != slots:
        raise DrillFailed(f"{submitted} requests were submitted for {slots} slots")


def _watch_twice(environment: DrillEnvironment) -> None:
    environment.run_checked(*environment.submit_command)
    _wait_for_success([environment.start("poll", "--watch", "--interval", "0.1") for _ in range(2)])


def _backfill_during_collection(environment: DrillEnvironment) -> None:
    environment.run_checked("backfill", *environment.model_options(), "--analysis-count", 1)
    environment.end_batches()
    _wait_for_success(
        [environment.start("poll"), environment.start(*environment.submit_command), environment.start("poll")]
    )


def _reconcile_during_backfill(environment: DrillEnvironment) -> None:
    """Reconcile without any grace period: a submission in progress must not be released."""
    backfills = [environment.start(*environment.submit_command) for _ in range(2)]
    reconciles = [environment.start("reconcile", "--margin", 0) for _ in range(4)]
    _wait_for_success([*backfills, *reconciles])


@contextmanager
def _hold_open(path: Path, mode: str, seconds: float = 0) -> Iterator[subprocess.Popen[str]]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path), mode, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    try:
        if holder.stdout.readline() != "open\n":
            raise DrillFailed(f"cannot open {path}")
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def _hold_published_file(environment: DrillEnvironment) -> None:
    with _hold_open(environment.published, "read") as notebook:
        environment.run_checked(*environment.submit_command)
        environment.end_batches()
        environment.run_checked("poll")
        assert notebook.stdin is not None
        assert notebook.stdout is not None
        notebook.stdin.close()
        if notebook.stdout.readline() != "True\n":
            raise DrillFailed("the content of the published file changed under an open connection")
        notebook.wait()
        notebook.stdin = None


def _hold_working_database(environment: DrillEnvironment) -> None:
    """Open the working database read-write by mistake, for some seconds: every command waits, and none fails."""
    for command in (environment.submit_command, ("poll",), ("status",), ("reconcile",)):
        with _hold_open(environment.warehouse.path, "write", _OPERATOR_SECONDS):
            environment.run_checked(*command)
        environment.end_batches()
