"""How long a newcomer waits for the first tags."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

from benchmarks.report import Measurement

_LIMIT_SECONDS = 45.0
_REQUESTS = 14_560


def demo(quick: bool) -> list[Measurement]:
    """`grabient demo` as a person starts it: the wall time of the command, in an empty data directory.

    Measured: the start of the interpreter, the import of the sample palettes and their pictures, every request
    submitted to the sandbox, collected, parsed and published, until the command has ended. There is no floor: part of
    the time is the sandbox's, which works out what ten models would say, and on two cores that is in the way of the
    rest. The bound is what a person waits for who wants to see whether this is of use.
    """
    options = ["--palettes", "20", "--analysis-count", "2"] if quick else []
    grabient = Path(sys.executable).with_name("grabient")
    with tempfile.TemporaryDirectory(prefix="grabient-benchmark-") as folder:
        variables = {**os.environ, "GRABIENT_DATA_DIR": folder}
        started = time.perf_counter()
        finished = subprocess.run(
            [grabient, "demo", "--json", *options], env=variables, stdout=subprocess.PIPE, check=True
        )
        seconds = time.perf_counter() - started
    requests = orjson.loads(finished.stdout)["requests"]
    if quick:
        return [Measurement(f"demo: {requests:,} requests", f"{seconds:.1f} s")]
    assert requests == _REQUESTS, f"the demo had {requests:,} requests"
    return [
        Measurement(
            f"demo: {requests:,} requests",
            f"{seconds:.1f} s",
            target=f"< {_LIMIT_SECONDS:g} s",
            met=seconds < _LIMIT_SECONDS,
        )
    ]
