"""Marked moments, at which a drill ends the process as a crash would.

What must hold after a crash (nothing paid twice, nothing lost) is tried at each of them: `GRABIENT_CRASH_AT=MOMENT` or
`MOMENT:N` kills the process when it gets there for the first or N-th time. Without the variable they cost nothing.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

MOMENTS: Final = (
    "import.writing",
    "import.written",
    "reserve.writing",
    "reserve.written",
    "submit.file_written",
    "submit.uploaded",
    "submit.created",
    "submit.recorded",
    "reconcile.searched",
    "reconcile.adopted",
    "poll.asked",
    "poll.recorded",
    "collect.downloaded",
    "collect.staged",
    "collect.settling",
    "collect.settled",
    "parse.read",
    "parse.storing",
    "consensus.counting",
    "consensus.counted",
    "compose.writing",
    "score.writing",
    "publish.copied",
    "publish.published",
)

_place, _, _count = os.environ.get("GRABIENT_CRASH_AT", "").partition(":")
_left = int(_count) if _count.isdigit() else 1
_lock = threading.Lock()


def reached(moment: str) -> None:
    """The process has got to this moment; it may be its last."""
    if moment != _place:
        return
    global _left
    with _lock:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
