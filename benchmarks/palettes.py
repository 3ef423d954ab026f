"""Throughput of describing, drawing and importing palettes."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.report import Measurement
from benchmarks.synthetic import open_pipeline, random_seeds
from grabient_pipeline.imports.palettes import import_files
from grabient_pipeline.palette import describe_palettes

_LIMIT_SECONDS = 10.0


def palettes(quick: bool) -> list[Measurement]:
    """Measure the descriptions of 100,000 palettes and the pictures of 1,000.

    There is no floor: no other program computes these colours, measures and names. The target is what a person who
    imports a whole site is willing to wait.
    """
    described, drawn = (10_000, 200) if quick else (100_000, 1_000)
    canonical_seeds = random_seeds(described)
    seconds = min(_time_descriptions(canonical_seeds) for _ in range(2))
    with open_pipeline(drawn) as pipeline:
        started = time.perf_counter()
        report = pipeline.write_pictures()
        drawing = time.perf_counter() - started
        assert report.written == drawn
    return [
        _make_measurement(f"palettes: {described:,} descriptions", seconds, described, 100_000),
        _make_measurement(f"palettes: {drawn:,} pictures", drawing, drawn, 1_000),
    ]


def import_palettes(quick: bool) -> list[Measurement]:
    """Measure the import of a text file with 100,000 seeds: reading, describing, storing. There is no target."""
    count = 10_000 if quick else 100_000
    with open_pipeline() as pipeline, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seeds.txt"
        file.write_text("\n".join(random_seeds(count)))
        started = time.perf_counter()
        report = import_files(pipeline.warehouse, [file])
        seconds = time.perf_counter() - started
        assert report.imported + report.already_there == count
    return [Measurement(f"import: {count:,} seeds", f"{seconds:.1f} s ({count / seconds:,.0f}/s)")]


def _time_descriptions(canonical_seeds: list[str]) -> float:
    started = time.perf_counter()
    describe_palettes(canonical_seeds)
    return time.perf_counter() - started


def _make_measurement(name: str, seconds: float, count: int, target_count: int) -> Measurement:
    limit = _LIMIT_SECONDS * count / target_count
    return Measurement(
        name, f"{seconds:.1f} s ({count / seconds:,.0f}/s)", target=f"< {limit:g} s", met=seconds < limit
    )
