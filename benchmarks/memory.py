"""Peak memory from import to parsed tags, and how much of it depends on the number of requests."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import orjson

from benchmarks.prepare import reserve_and_write
from benchmarks.report import Measurement
from benchmarks.synthetic import (
    ANALYSES,
    MODELS,
    Results,
    enabled_models,
    mark_ended,
    open_offline_provider,
    open_pipeline,
    sample_results,
)
from grabient_pipeline.batches.collect import collect_batch, ended_batches
from grabient_pipeline.batches.parse import parse_answers
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import PROJECT_ROOT

MAX_GROWTH_MB = 300
_SMALL = 10_000
_ROWS_PER_FETCH = 1024
# A process inherits the peak of its parent through `exec`, and after other benchmarks that peak may exceed everything
# measured here. A shell in between, which does not `exec`, starts from its own small peak.
_THROUGH_A_SHELL = ("sh", "-c", '"$0" "$@"; exit $?')


def memory(quick: bool) -> list[Measurement]:
    """Measure the peak resident memory for a million requests, against ten thousand.

    A new process imports palettes, plans and reserves the requests of the default backfill's ten models, writes the
    file of each batch, collects its results and parses the responses; the operating system reports its peak. The result
    files are written from sampled results, one batch at a time, as after a download. The floor is another new process
    that does the same for ten thousand requests; it includes the interpreter, the libraries and the samples, so the
    difference is the cost of the requests. The target applies to this difference, since a large floor would make a
    ratio look good.
    """
    large = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="grabient-benchmark-") as name:
        samples = Path(name)
        for key, lines in sample_results(100).items():
            (samples / key).write_bytes(b"\n".join(lines))
        floor, peak = (_measure_peak(requests, samples) for requests in (_SMALL, large))
    growth = peak - floor
    return [
        Measurement(
            f"memory: {large:,} requests, prepared, collected, parsed",
            f"{peak:,.0f} MB (+{growth:,.0f} MB)",
            f"{floor:,.0f} MB ({_SMALL:,} requests)",
            peak / floor,
            f"< +{MAX_GROWTH_MB} MB",
            growth < MAX_GROWTH_MB,
        )
    ]


def _measure_peak(requests: int, samples: Path) -> float:
    """Return the peak in megabytes of a new process that handles this number of requests."""
    return measure_in_process("benchmarks.memory", str(requests), str(samples))["megabytes"]


def measure_in_process(module: str, *arguments: str) -> dict[str, float]:
    """Run a module in a new process, and return the figures that it prints as JSON."""
    command = [*_THROUGH_A_SHELL, sys.executable, "-m", module, *arguments]
    finished = subprocess.run(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, check=True)
    return orjson.loads(finished.stdout)


def _run_all_steps(requests: int, samples: Path) -> None:
    models = enabled_models()
    results = {key: Results((samples / key).read_bytes().splitlines()) for key in MODELS}
    with open_pipeline(requests // (ANALYSES * len(models))) as pipeline:
        reserve_and_write(pipeline, models)
        _end_all_batches(pipeline)
        _collect(pipeline, results)
        parse_answers(pipeline.workspace, TAGGING)
        with pipeline.warehouse.connect() as connection:
            ((parsed,),) = connection.execute("SELECT count(*) FROM palette_tags").fetchall()
        assert parsed == requests, f"{parsed:,} of {requests:,} requests were parsed"


def _end_all_batches(pipeline: Pipeline) -> None:
    with pipeline.warehouse.connect() as connection:
        reserved = connection.execute("SELECT submission FROM tag_batches WHERE status = 'reserved'").fetchall()
    for (submission,) in reserved:
        mark_ended(pipeline, submission)


def _collect(pipeline: Pipeline, results: dict[str, Results]) -> None:
    """Collect each batch from the file that its provider would have sent; the file is deleted afterwards."""
    files: dict[str, Path] = {}
    providers = {key: open_offline_provider(key, files) for key in results}
    for batch in ended_batches(pipeline.workspace):
        file = pipeline.settings.data_dir / "results.jsonl"
        with pipeline.warehouse.connect() as connection:
            results[batch.provider].write(file, _custom_ids(connection, batch.submission))
        files[batch.batch_id] = file
        collect_batch(pipeline.workspace, providers[batch.provider], batch)
        file.unlink()


def _custom_ids(connection: duckdb.DuckDBPyConnection, submission: str) -> Iterator[str]:
    rows = connection.execute("SELECT custom_id FROM tag_requests WHERE submission = ?", [submission])
    while piece := rows.fetchmany(_ROWS_PER_FETCH):
        yield from (custom_id for (custom_id,) in piece)


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In kibibytes, on macOS in bytes.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    _run_all_steps(int(sys.argv[1]), Path(sys.argv[2]))
    print(orjson.dumps({"megabytes": _peak_megabytes()}).decode())
