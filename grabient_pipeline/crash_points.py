"""Crash points: places in the code where a drill can kill the process, as a crash would.

The drills check at every crash point that nothing is paid twice and nothing is lost. `GRABIENT_CRASH_AT=NAME` or
`NAME:N` kills the process when it reaches that point for the first or the Nth time. Without the variable a crash point
costs one comparison.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

CRASH_POINTS: Final = (
    "import.writing",
    "import.written",
    "order.made",
    "reserve.writing",
    "reserve.written",
    "submit.file_written",
    "submit.uploaded",
    "submit.created",
    "submit.recorded",
    "direct.repricing",
    "direct.repriced",
    "reconcile.searched",
    "reconcile.adopted",
    "adopt.recording",
    "adopt.recorded",
    "join.staged",
    "join.storing",
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
    "prices.correcting",
)

_selected, _, _count = os.environ.get("GRABIENT_CRASH_AT", "").partition(":")
_remaining = int(_count) if _count.isdigit() else 1
_lock = threading.Lock()


def crash_point(name: str) -> None:
    """Kill the process here if `GRABIENT_CRASH_AT` names this crash point."""
    if name != _selected:
        return
    global _remaining
    with _lock:
        _remaining -= 1
        if _remaining == 0:
            os.kill(os.getpid(), signal.SIGKILL)
