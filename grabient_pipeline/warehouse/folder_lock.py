"""The lock of a data directory: one process at a time, freed by the system when its holder dies."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import filelock

from grabient_pipeline.errors import WarehouseError

NAME: Final = "warehouse.lock"

# What flock(2) answers on a disk where locks do not work, such as some network folders.
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})


@contextmanager
def hold_folder(path: Path, wait_seconds: float) -> Generator[None]:
    """Hold the lock at `path` while the block runs.

    Raises:
        TimeoutError: another process held it for all of `wait_seconds`.
        WarehouseError: the folder cannot be written to, or locks do not work there.
    """
    # The library's fallback is a file that says who holds it, which two machines can both believe in.
    lock = filelock.FileLock(path, timeout=wait_seconds, fallback_to_soft=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise TimeoutError from None
    except NotImplementedError:
        raise WarehouseError(no_locks(path.parent, "they are not implemented")) from None
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_LOCKS:
            raise WarehouseError(no_locks(path.parent, reason)) from error
        raise WarehouseError(
            f"cannot write to {path.parent}: {reason}; make it writable or set GRABIENT_DATA_DIR to another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def no_locks(folder: Path, reason: str) -> str:
    """Say that a folder cannot be used, because locks do not work there."""
    return (
        f"file locks do not work in {folder} ({reason}), so two processes could write the ledger at once; "
        "set GRABIENT_DATA_DIR to a folder on a local disk"
    )
