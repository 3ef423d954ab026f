"""What killed processes left in the spool: files of requests, half-read results, locks that nobody holds any more.

While they are of use they are young: nothing is sent, fetched or looked for over so long a time. What is older is
in nobody's way but takes up the disk.
"""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

KEPT_FOR = dt.timedelta(days=7)


def remove_stale(spool_dir: Path, kept_for: dt.timedelta = KEPT_FOR) -> int:
    """Delete what is older; how many files and folders that was. What cannot be deleted stays."""
    before = (dt.datetime.now(dt.UTC) - kept_for).timestamp()
    swept = 0
    for path in spool_dir.iterdir():
        try:
            if path.lstat().st_mtime >= before:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError:
            # Somebody else was faster, or it is not ours to delete.
            continue
        swept += 1
    return swept
