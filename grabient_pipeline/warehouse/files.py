"""Copies of whole files: complete, and on the disk when a function returns."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import BinaryIO, Final

# ioctl(2) FICLONE: the copy shares its blocks until one of the two files changes. Btrfs, XFS, Bcachefs and ZFS can.
_FICLONE: Final = 0x40049409


# How a file looks: device, inode, size, and the time of the last change in nanoseconds.
FileStamp = tuple[int, int, int, int]


def file_stamp(path: Path) -> FileStamp | None:
    """Return how a file looks; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def has_content(path: Path) -> bool:
    """Whether a file is there and not empty."""
    return path.is_file() and path.stat().st_size > 0


def copy_file(source: Path, target: Path, *, clone: bool = True) -> None:
    """Copy a file that no process writes to.

    Args:
        clone: share blocks with the source where the disk can. Without it every byte is copied, so that a bad block of
            the disk is in one of the two files only.

    Raises:
        OSError: the copy cannot be written; `target` may be left incomplete.
    """
    with source.open("rb") as reader, target.open("wb") as writer:
        if not (clone and _clone(reader, writer)):
            shutil.copyfile(source, target)
        os.fsync(writer.fileno())


def sync_file(path: Path) -> None:
    """Write a file to the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, so that a rename survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clone(source: BinaryIO, target: BinaryIO) -> bool:
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError:
        return False
    return True
