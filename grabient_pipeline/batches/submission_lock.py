"""Whether a process is sending a reservation right now: one lock each, freed by the system when its holder dies.

A reservation may be looked for at its provider, and released if it is not there, only while no process is sending it.
The lock's file also records when the batch was last about to be created, from which the grace period counts. It stays
until the outcome is known.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path

import filelock


class SubmissionInProgress(Exception):
    """Another process, or another thread of this one, is sending the reservation."""


@contextmanager
def hold_submissions(spool: Path, submissions: Iterable[str]) -> Generator[None]:
    """Hold the locks of these submissions while they are sent."""
    with ExitStack() as stack:
        for submission in submissions:
            stack.enter_context(filelock.FileLock(_path(spool, submission)))
        yield


def mark_creation_attempt(spool: Path, submission: str) -> None:
    """Record that the batch is about to be created, or may just have been."""
    os.utime(_path(spool, submission))


@contextmanager
def hold_if_idle(spool: Path, submission: str) -> Generator[dt.datetime | None]:
    """Hold the lock of a reservation that no process is sending.

    Yields:
        when its batch may last have been created; None if sending it never began.

    Raises:
        SubmissionInProgress: a process is sending it.
    """
    path = _path(spool, submission)
    touched = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC) if path.exists() else None
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise SubmissionInProgress(submission) from None
    try:
        yield touched
    finally:
        if touched is None:
            # While it is held: otherwise a process that waits for it would hold a deleted file, and the next a new one.
            remove_lock(spool, submission)
        lock.release()


def remove_lock(spool: Path, submission: str) -> None:
    """Remove the lock's file; the outcome of the batch is known."""
    _path(spool, submission).unlink(missing_ok=True)


def _path(spool: Path, submission: str) -> Path:
    return spool / f"{submission}.lock"
