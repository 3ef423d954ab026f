"""`python -m benchmarks [NAME ...] [--quick] [--json]`: a table of figures; status 1 if a promise is not kept."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from benchmarks.report import Measurement, note, say


def _benchmarks() -> dict[str, Callable[[bool], list[Measurement]]]:
    # Imported one by one, so that what one of them needs is not in the memory of another.
    from benchmarks.collect import collect
    from benchmarks.consensus import consensus
    from benchmarks.convex import convex
    from benchmarks.demo import demo
    from benchmarks.gallery import gallery
    from benchmarks.memory import memory
    from benchmarks.palettes import import_palettes, palettes
    from benchmarks.prepare import prepare
    from benchmarks.search import search
    from benchmarks.sensor import sensor

    return {
        "prepare": prepare,
        "collect": collect,
        "memory": memory,
        "sensor": sensor,
        "palettes": palettes,
        "import": import_palettes,
        "consensus": consensus,
        "search": search,
        "convex": convex,
        "gallery": gallery,
        "demo": demo,
    }


def main() -> int:
    known = _benchmarks()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what the project promises, as ratios to floors taken in the same run.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(known)}; by default all")
    parser.add_argument("--quick", action="store_true", help="smaller amounts: a first impression in a few minutes")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    wanted = parser.parse_args()
    unknown = [name for name in wanted.names if name not in known]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(known)}")
    measurements: list[Measurement] = []
    for name in wanted.names or known:
        started = time.perf_counter()
        measurements += known[name](wanted.quick)
        note(f"{name}: done in {time.perf_counter() - started:.0f} s")
    say(measurements, as_json=wanted.json)
    return 1 if any(each.met is False for each in measurements) else 0


if __name__ == "__main__":
    sys.exit(main())
