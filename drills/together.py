"""Two of everything at once, and people who have a file open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drills.commands import DrillFailed, Ended, Running
from drills.drill import Drill
from drills.ground import Ground

_OPERATOR_SECONDS = 8.0

# Opens the file, says so, keeps it open until its standard input ends, then tells what it has seen.
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


def together() -> Iterator[Drill]:
    """Each at the same time as something else."""
    drills = {
        "two backfills at once": _two_backfills,
        "four backfills at once": _four_backfills,
        "two poll --watch": _two_watches,
        "a backfill during a collect": _backfill_during_collect,
        "two refinements at once": _two_backfills,
        "a reconcile during a backfill": _reconcile_during_backfill,
        "a notebook that holds the published file open": _notebook,
        "an operator who has the working file open": _operator,
    }
    for name, run in drills.items():
        if name == "two refinements at once":
            yield Drill(name, name, run, ("anthropic",), "refinement")
        else:
            yield Drill(name, name, run)


def _all_well(running: Sequence[Running]) -> list[Ended]:
    ended = [each.ended() for each in running]
    for each in ended:
        if each.status != 0:
            raise DrillFailed(str(each))
    return ended


def _asked_once(ground: Ground, places: int) -> None:
    asked = sum(batch["request_count"] for batch in ground.batches_there())
    if asked != places:
        raise DrillFailed(f"{asked} requests were sent for {places} places")


def _at_once(ground: Ground, count: int) -> None:
    _all_well([ground.start(*ground.asking) for _ in range(count)])
    palettes = ground.facts("status")["palettes"]
    analyses = 1 if ground.stage == "refinement" else ground.analyses
    _asked_once(ground, palettes * analyses * len(ground.providers))


def _two_backfills(ground: Ground) -> None:
    _at_once(ground, 2)


def _four_backfills(ground: Ground) -> None:
    _at_once(ground, 4)


def _two_watches(ground: Ground) -> None:
    ground.must(*ground.asking)
    _all_well([ground.start("poll", "--watch", "--interval", "0.1") for _ in range(2)])


def _backfill_during_collect(ground: Ground) -> None:
    ground.must("backfill", *ground.models(), "--analysis-count", 1)
    ground.end_batches()
    _all_well([ground.start("poll"), ground.start(*ground.asking), ground.start("poll")])


def _reconcile_during_backfill(ground: Ground) -> None:
    """With no margin at all: what is being sent right now must not be released."""
    backfills = [ground.start(*ground.asking) for _ in range(2)]
    reconciles = [ground.start("reconcile", "--margin", 0) for _ in range(4)]
    _all_well([*backfills, *reconciles])


@contextmanager
def _held_open(path: Path, mode: str, seconds: float = 0) -> Iterator[subprocess.Popen[str]]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path), mode, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    try:
        if holder.stdout.readline() != "open\n":
            raise DrillFailed(f"{path} could not be opened")
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def _notebook(ground: Ground) -> None:
    with _held_open(ground.published, "read") as notebook:
        ground.must(*ground.asking)
        ground.end_batches()
        ground.must("poll")
        assert notebook.stdin is not None
        assert notebook.stdout is not None
        notebook.stdin.close()
        if notebook.stdout.readline() != "True\n":
            raise DrillFailed("what an open notebook saw has changed under it")
        notebook.wait()
        notebook.stdin = None


def _operator(ground: Ground) -> None:
    """By mistake, read-write, for some seconds each time: everybody waits, and nobody fails."""
    for command in (ground.asking, ("poll",), ("status",), ("reconcile",)):
        with _held_open(ground.warehouse.path, "write", _OPERATOR_SECONDS):
            ground.must(*command)
        ground.end_batches()
