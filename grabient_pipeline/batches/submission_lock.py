"""Whether a process is sending a reservation right now: one lock each, freed by the system when its holder dies.

A reservation may be looked for at its provider, and released if it is not there, only while no process is sending it.
A file beside the lock's records when the batch was last about to be created, from which the grace period counts. Both
stay until the outcome is known.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import orjson

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.providers.transport.clock import Moment


class SubmissionInProgress(Exception):
    """Another process, or another thread of this one, is sending the reservation."""


@contextmanager
def hold_submission(spool: Path, submission: str) -> Generator[None]:
    """Hold the lock of a submission while it is sent."""
    with filelock.FileLock(_path(spool, submission)):
        yield


def mark_creation_attempt(spool: Path, submission: str, moment: Moment) -> None:
    """Record that the batch is about to be created, or may just have been.

    Raises:
        OSError: the file cannot be written; what was recorded before stays.
    """
    attempt = {"at": moment.local.isoformat(), "clock_offset_seconds": moment.offset_seconds}
    write_atomic(_attempt_path(spool, submission), lambda part: part.write_bytes(orjson.dumps(attempt)))


@contextmanager
def hold_if_idle(spool: Path, submission: str) -> Generator[Moment | None]:
    """Hold the lock of a reservation that no process is sending.

    Yields:
        when its batch may last have been created; None if sending it never began.

    Raises:
        SubmissionInProgress: a process is sending it.
    """
    path = _path(spool, submission)
    # Before taking the lock, which makes the file.
    touched = _last_touch(path)
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise SubmissionInProgress(submission) from None
    # Without a record, its process has only taken the lock, or was one of an earlier version.
    attempted = _recorded_attempt(spool, submission) or touched
    try:
        yield attempted
    finally:
        if attempted is None:
            # While it is held: otherwise a process that waits for it would hold a deleted file, and the next a new one.
            remove_lock(spool, submission)
        lock.release()


def remove_lock(spool: Path, submission: str) -> None:
    """Remove the lock's file and the record of the attempt; the outcome of the batch is known."""
    _path(spool, submission).unlink(missing_ok=True)
    _attempt_path(spool, submission).unlink(missing_ok=True)


def _recorded_attempt(spool: Path, submission: str) -> Moment | None:
    """Return the recorded attempt; None if there is none that can be read, as after a power failure."""
    try:
        attempt: dict[str, Any] = orjson.loads(_attempt_path(spool, submission).read_bytes())
        return Moment.measured(dt.datetime.fromisoformat(attempt["at"]), attempt["clock_offset_seconds"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def _last_touch(path: Path) -> Moment | None:
    try:
        return Moment(dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC))
    except FileNotFoundError:
        return None


def _path(spool: Path, submission: str) -> Path:
    return spool / f"{submission}.lock"


def _attempt_path(spool: Path, submission: str) -> Path:
    return spool / f"{submission}.attempt"
