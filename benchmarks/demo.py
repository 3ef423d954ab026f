"""Duration of `grabient demo`."""

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
    """Measure the wall time of `grabient demo` in an empty data directory, as a person runs it.

    It includes the start of the interpreter, the import of the sample palettes and their pictures, and all requests
    submitted to the sandbox, collected, parsed and published. There is no floor: the sandbox, which makes up the
    responses of ten models, takes part of the time and competes for the cores. The target is what a person who tries
    the project is willing to wait.
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
    assert requests == _REQUESTS, f"the demo ran {requests:,} requests"
    return [
        Measurement(
            f"demo: {requests:,} requests",
            f"{seconds:.1f} s",
            target=f"< {_LIMIT_SECONDS:g} s",
            met=seconds < _LIMIT_SECONDS,
        )
    ]
