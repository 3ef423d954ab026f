"""Throughput of importing a Convex export of the earlier system."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import orjson

from benchmarks.report import Measurement
from benchmarks.synthetic import open_pipeline
from grabient_pipeline.convex import steps
from grabient_pipeline.convex.archive import lines, open_export
from grabient_pipeline_tests.convex_exports import write_large_zip

_LIMIT_SECONDS = 120.0
_PROMISED = 1_000_000


def convex(quick: bool) -> list[Measurement]:
    """Measure the import of an export with 1,000,000 responses: unpacked, read, repaired, parsed, counted.

    The floor unpacks the zip and decodes each line with `orjson`.
    """
    answers = 100_000 if quick else _PROMISED
    with tempfile.TemporaryDirectory() as folder, open_pipeline() as pipeline:
        path = write_large_zip(Path(folder) / "export.zip", answers, palettes=answers // 80)
        floor = _time_floor(path)
        started = time.perf_counter()
        report = steps.import_convex(pipeline, path)
        seconds = time.perf_counter() - started
        assert report.tables["palette_tags"].imported == answers, report
    limit = _LIMIT_SECONDS * answers / _PROMISED
    return [
        Measurement(
            f"import-convex: {answers:,} answers",
            f"{seconds:.0f} s ({answers / seconds:,.0f}/s)",
            f"{floor:.0f} s (unzip + orjson)",
            floor / seconds,
            f"< {limit:g} s",
            seconds < limit,
        )
    ]


def _time_floor(path: Path) -> float:
    started = time.perf_counter()
    with open_export(path) as export:
        for line in lines(export.tables["palette_tags"]):
            orjson.loads(line.text or b"null")
    return time.perf_counter() - started
