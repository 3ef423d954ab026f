"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

# A temporary file is private to its owner; what takes its place is there to be read.
_MODE = 0o644


def write_atomic(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file beside `path` and put it in place by a rename once it is whole.

    Args:
        path: the file to write; its folder exists.
        write: writes the whole content to the path that it is given.

    Raises:
        OSError: the file cannot be written; `path` is as it was, and nothing is left beside it.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    part = Path(name)
    try:
        write(part)
        part.chmod(_MODE)
        return part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
