"""How fast palettes are described, drawn and imported."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.report import Measurement
from benchmarks.synthetic import pipeline, seeds
from grabient_pipeline.imports.palettes import import_files
from grabient_pipeline.palette import describe_palettes

_LIMIT_SECONDS = 10.0


def palettes(quick: bool) -> list[Measurement]:
    """Descriptions of 100,000 palettes and pictures of 1,000, each in under 10 s.

    There is no floor: nobody else makes these colours, measures and names. The bound is what a person waits for who
    imports a whole site, and draws the newest pictures of it.
    """
    described, drawn = (10_000, 200) if quick else (100_000, 1_000)
    canonical_seeds = seeds(described)
    seconds = min(_describing(canonical_seeds) for _ in range(2))
    with pipeline(drawn) as opened:
        started = time.perf_counter()
        report = opened.write_pictures()
        drawing = time.perf_counter() - started
        assert report.written == drawn
    return [
        _timed(f"palettes: {described:,} descriptions", seconds, described, 100_000),
        _timed(f"palettes: {drawn:,} pictures", drawing, drawn, 1_000),
    ]


def import_palettes(quick: bool) -> list[Measurement]:
    """A text file of 100,000 seeds into the table `palettes`, for information: reading, describing, storing."""
    count = 10_000 if quick else 100_000
    with pipeline() as opened, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seeds.txt"
        file.write_text("\n".join(seeds(count)))
        started = time.perf_counter()
        report = import_files(opened.warehouse, [file])
        seconds = time.perf_counter() - started
        assert report.imported + report.already_there == count
    return [Measurement(f"import: {count:,} seeds", f"{seconds:.1f} s ({count / seconds:,.0f}/s)")]


def _describing(canonical_seeds: list[str]) -> float:
    started = time.perf_counter()
    describe_palettes(canonical_seeds)
    return time.perf_counter() - started


def _timed(name: str, seconds: float, count: int, promised: int) -> Measurement:
    limit = _LIMIT_SECONDS * count / promised
    return Measurement(
        name, f"{seconds:.1f} s ({count / seconds:,.0f}/s)", target=f"< {limit:g} s", met=seconds < limit
    )
