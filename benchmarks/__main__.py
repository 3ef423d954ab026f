"""`python -m benchmarks [NAME ...] [--quick] [--json]`: print a table; exit with 1 if a target is missed."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from benchmarks.report import Measurement, print_note, print_report


def _benchmarks() -> dict[str, Callable[[bool], list[Measurement]]]:
    from benchmarks.collect import collect
    from benchmarks.consensus import consensus
    from benchmarks.convex import convex
    from benchmarks.demo import demo
    from benchmarks.gallery import gallery
    from benchmarks.memory import memory
    from benchmarks.orders import orders
    from benchmarks.palettes import import_palettes, palettes
    from benchmarks.prepare import prepare
    from benchmarks.search import search
    from benchmarks.sensor import sensor, ticks

    return {
        "prepare": prepare,
        "collect": collect,
        "memory": memory,
        "sensor": sensor,
        "ticks": ticks,
        "orders": orders,
        "palettes": palettes,
        "import": import_palettes,
        "consensus": consensus,
        "search": search,
        "convex": convex,
        "gallery": gallery,
        "demo": demo,
    }


def main() -> int:
    """Run the selected benchmarks and return the exit status."""
    known = _benchmarks()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the promised figures, as ratios to floors measured in the same run.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"benchmarks to run: {', '.join(known)}; default: all")
    parser.add_argument("--quick", action="store_true", help="smaller inputs, for a first impression in a few minutes")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; choose from {', '.join(known)}")
    measurements: list[Measurement] = []
    for name in options.names or known:
        started = time.perf_counter()
        measurements += known[name](options.quick)
        print_note(f"{name}: done in {time.perf_counter() - started:.0f} s")
    print_report(measurements, as_json=options.json)
    return 1 if any(measurement.met is False for measurement in measurements) else 0


if __name__ == "__main__":
    sys.exit(main())
