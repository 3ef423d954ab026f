"""What an error of DuckDB means for the file: damaged, or the disk is full or read-only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_FULL: Final = re.compile(r"no space left|disk quota|file too large|out of disk", re.IGNORECASE)
_READ_ONLY: Final = re.compile(r"read-only file system", re.IGNORECASE)
_DAMAGED: Final = re.compile(
    r"corrupt|checksum|could not read enough|could not read (?:from|all|file)|database has been invalidated"
    r"|not a valid duckdb|deserializ|input/output error",
    re.IGNORECASE,
)
WAY_BACK: Final = "grabient restore puts the newest good copy back"


def first_line(error: BaseException) -> str:
    """Return the first line of an error; the others are advice for programmers."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_damage(error: BaseException) -> bool:
    """Whether an error of DuckDB says that the content of the file cannot be read."""
    text = str(error)
    return bool(_DAMAGED.search(text)) and not _FULL.search(text) and not _READ_ONLY.search(text)


def explain_database_error(error: BaseException, path: Path | None = None) -> str | None:
    """Say in one line what an error of DuckDB means for a database file, and what to do.

    Returns:
        None for an error that is not about the file or its disk.
    """
    name = "the database" if path is None else str(path)
    text = str(error)
    if _FULL.search(text):
        return f"cannot write to {name}: the disk is full. What was done is kept; free some space and run it again"
    if _READ_ONLY.search(text):
        return f"cannot write to {name}: the disk is read-only. What was done is kept; make it writable"
    if _DAMAGED.search(text):
        return f"{name} is damaged ({first_line(error)}); {WAY_BACK}"
    return None
