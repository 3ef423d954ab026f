"""Removing what killed processes left in the spool: request files, half-read results, locks without a holder.

Nothing is sent, fetched or looked for over as long as a week, so older files only take up disk space.
"""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

KEPT_FOR = dt.timedelta(days=7)


def remove_stale(spool: Path, kept_for: dt.timedelta = KEPT_FOR) -> int:
    """Delete files and folders that are older; return how many. What cannot be deleted stays."""
    before = (dt.datetime.now(dt.UTC) - kept_for).timestamp()
    removed = 0
    for path in spool.iterdir():
        try:
            if path.lstat().st_mtime >= before:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError:
            # Another process was faster, or the file belongs to another user.
            continue
        removed += 1
    return removed
