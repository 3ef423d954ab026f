"""Whether somebody is at work on a reservation right now: a lock for each, freed by the system when its holder dies.

Only a reservation that nobody is sending may be looked for at the provider and, if it is not there, released. The file
of the lock also remembers when its batch was last about to be created: the waiting margin counts from then. It stays
until it is known what became of the batch.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path

import filelock


class SubmissionInProgress(Exception):
    """Another process, or another thread of this one, is sending it."""


@contextmanager
def hold_submissions(spool_dir: Path, submissions: Iterable[str]) -> Generator[None]:
    """Be the one who sends these, from the reservation to the end."""
    with ExitStack() as stack:
        for submission in submissions:
            stack.enter_context(filelock.FileLock(_path(spool_dir, submission)))
        yield


def mark_creation_attempt(spool_dir: Path, submission: str) -> None:
    """The batch is about to be created, or was perhaps created a moment ago."""
    os.utime(_path(spool_dir, submission))


@contextmanager
def hold_if_idle(spool_dir: Path, submission: str) -> Generator[dt.datetime | None]:
    """Hold a reservation still; when its batch may last have been created, None if nobody began to send it.

    Raises:
        SubmissionInProgress: somebody is at it.
    """
    path = _path(spool_dir, submission)
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
            # Before it is let go: who waits for it would else hold a file that is gone, and the next one a new file.
            forget(spool_dir, submission)
        lock.release()


def forget(spool_dir: Path, submission: str) -> None:
    """It is known what became of the batch."""
    _path(spool_dir, submission).unlink(missing_ok=True)


def _path(spool_dir: Path, submission: str) -> Path:
    return spool_dir / f"{submission}.lock"
