"""How much memory the whole way takes, and how little of it depends on the number of requests."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson

from benchmarks.prepare import reserve_and_write
from benchmarks.report import Measurement
from benchmarks.synthetic import (
    ANALYSES,
    MODELS,
    Results,
    asked,
    enabled_models,
    end,
    pipeline,
    provider_of_files,
    sampled_answers,
)
from grabient_pipeline.batches.collect import collect_batch, ended_batches
from grabient_pipeline.batches.parse import parse_answers
from grabient_pipeline.batches.reservation import custom_id
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import PROJECT_ROOT

MAX_GROWTH_MB = 300
_SMALL = 10_000
# The shell stays in between and starts the process anew: an `exec` hands the caller's own peak on to what it becomes,
# and after other benchmarks that could be above all that is measured here.
_THROUGH_A_SHELL = ("sh", "-c", '"$0" "$@"; exit $?')


def memory(quick: bool) -> list[Measurement]:
    """The peak resident memory of the whole way at a million requests, against the same at ten thousand.

    Measured: a fresh process imports palettes, plans and reserves the requests of the default backfill's ten models,
    writes the file of each batch, collects the results of each and parses the answers; at its end the operating system
    tells its peak. The results stand on disk as after a download, a batch at a time, written from sampled answers. The
    floor is another fresh process that does the same for ten thousand: it has the interpreter, the libraries and the
    sampled answers in it, so what is left over is what the requests cost. The verdict is on that difference, since a
    ratio would flatter whoever starts out large.
    """
    large = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="grabient-benchmark-") as name:
        samples = Path(name)
        for key, lines in sampled_answers(100).items():
            (samples / key).write_bytes(b"\n".join(lines))
        floor, peak = (_peak_of(requests, samples) for requests in (_SMALL, large))
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


def _peak_of(requests: int, samples: Path) -> float:
    """Megabytes at the peak of a process that goes the whole way with so many requests."""
    command = [*_THROUGH_A_SHELL, sys.executable, "-m", "benchmarks.memory", str(requests), str(samples)]
    finished = subprocess.run(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, check=True)
    return orjson.loads(finished.stdout)["megabytes"]


def _whole_way(requests: int, samples: Path) -> None:
    models = enabled_models()
    results = {key: Results((samples / key).read_bytes().splitlines()) for key in MODELS}
    with pipeline(requests // (ANALYSES * len(models))) as opened:
        reserve_and_write(opened, asked(models))
        _end_all(opened)
        _collect(opened, results)
        parse_answers(opened.workspace, TAGGING)
        with opened.warehouse.connect() as connection:
            ((parsed,),) = connection.execute("SELECT count(*) FROM palette_tags").fetchall()
        assert parsed == requests, f"{parsed:,} of {requests:,} requests were parsed"


def _end_all(opened: Pipeline) -> None:
    with opened.warehouse.connect() as connection:
        reserved = connection.execute("SELECT submission FROM tag_batches WHERE status = 'reserved'").fetchall()
    for (submission,) in reserved:
        end(opened, submission)


def _collect(opened: Pipeline, results: dict[str, Results]) -> None:
    """Each batch with the file that its provider would have sent, which is there no longer than its collection."""
    with opened.warehouse.connect() as connection:
        sizes = dict(connection.execute("SELECT submission, request_count FROM tag_batches").fetchall())
    files: dict[str, Path] = {}
    providers = {key: provider_of_files(key, files) for key in results}
    for batch in ended_batches(opened.workspace):
        file = opened.settings.data_dir / "results.jsonl"
        custom_ids = (custom_id(batch.submission, row) for row in range(sizes[batch.submission]))
        results[batch.provider].write(file, custom_ids)
        files[batch.batch_id] = file
        collect_batch(opened.workspace, providers[batch.provider], batch)
        file.unlink()


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kibibytes, but bytes on macOS.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    _whole_way(int(sys.argv[1]), Path(sys.argv[2]))
    print(orjson.dumps({"megabytes": _peak_megabytes()}).decode())
