"""An order that is much larger than the queue it goes through: its time, and the memory that depends on its size."""

from __future__ import annotations

import resource
import sys
import time
from collections import deque
from pathlib import Path

import orjson

from benchmarks.memory import MAX_GROWTH_MB, measure_in_process
from benchmarks.report import Measurement
from benchmarks.synthetic import ANALYSES, MODELS, NO_CAP_USD, open_pipeline
from grabient_pipeline.batches import ledger
from grabient_pipeline.batches.account_limits import write_figures
from grabient_pipeline.batches.backfill import make_order
from grabient_pipeline.batches.order_ledger import open_parts
from grabient_pipeline.batches.orders import BackfillOrder
from grabient_pipeline.batches.reservation import Demand, Destination, Piece, reserve_piece
from grabient_pipeline.batches.send_on import close_finished
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.registry import request_format

_MODEL = MODELS["anthropic"]


def orders(quick: bool) -> list[Measurement]:
    """Send an order through a queue of a tenth of its requests, without a network.

    A new process imports palettes, orders eight answers of one model, and then repeats what a poll does until the order
    is complete: it reads how far the order has come, reserves pieces as long as there is room, and writes their files.
    Then the oldest batch ends. The floor is another new process that only imports the palettes.
    """
    requests = 100_000 if quick else 1_000_000
    floor = measure_in_process("benchmarks.orders", str(requests), "--import-only")
    large = measure_in_process("benchmarks.orders", str(requests))
    growth = large["megabytes"] - floor["megabytes"]
    queue = requests // 10
    return [
        Measurement(
            f"orders: {requests:,} requests through a queue of {queue:,}",
            f"{large['seconds']:.0f} s, {large['pieces']} pieces (+{growth:,.0f} MB)",
            f"{floor['megabytes']:,.0f} MB (palettes imported)",
            large["megabytes"] / floor["megabytes"],
            f"< +{MAX_GROWTH_MB} MB",
            growth < MAX_GROWTH_MB,
        ),
        Measurement("orders: reading how far it has come, at the most", f"{large['slowest_look']:.2f} s"),
    ]


def _import_only(requests: int) -> dict[str, float]:
    with open_pipeline(requests // ANALYSES):
        return {"megabytes": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _send_through(requests: int) -> dict[str, float]:
    started = time.perf_counter()
    looks: list[float] = []
    pieces = 0
    under_way: deque[str] = deque()
    with open_pipeline(requests // ANALYSES) as pipeline:
        write_figures(pipeline.warehouse, "anthropic", None, requests=requests // 10)
        order = BackfillOrder((load_catalogue().model(_MODEL),), ANALYSES, NO_CAP_USD, include_retired=True)
        make_order(pipeline.workspace, order, TAGGING)
        while True:
            looked = time.perf_counter()
            close_finished(pipeline.workspace)
            looks.append(time.perf_counter() - looked)
            with pipeline.warehouse.connect() as connection:
                parts = open_parts(connection)
            if not parts:
                break
            demand = Demand(
                parts[0],
                load_catalogue().model(_MODEL),
                TAGGING,
                Destination(parts[0].route, request_format("anthropic"), "127.0.0.1:9"),
            )
            while isinstance(piece := reserve_piece(pipeline.workspace, demand), Piece):
                under_way.append(_submit(pipeline, piece))
                pieces += 1
            _end(pipeline, under_way.popleft())
        ((succeeded,),) = _count_succeeded(pipeline)
    assert succeeded == requests, f"{succeeded:,} of {requests:,} requests came in"
    return {
        "seconds": time.perf_counter() - started,
        "megabytes": _peak(),
        "pieces": pieces,
        "slowest_look": max(looks),
    }


def _count_succeeded(pipeline: Pipeline) -> list[tuple[int]]:
    with pipeline.warehouse.connect() as connection:
        return connection.execute("SELECT count(*) FROM tag_requests WHERE state = 'succeeded'").fetchall()


def _submit(pipeline: Pipeline, piece: Piece) -> str:
    submission = piece.reservation.submission
    file: Path = pipeline.settings.spool_dir / f"{submission}.requests"
    piece.reservation.template.write(file, piece.reservation.requests(), piece.contents)
    file.unlink()
    ledger.record_submitted(pipeline.warehouse, submission, f"batch-{submission}")
    return submission


def _end(pipeline: Pipeline, submission: str) -> None:
    with pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE tag_requests SET state = 'succeeded' WHERE submission = ?", [submission])
        connection.execute(
            "UPDATE tag_batches SET status = 'completed', collected_at = now() WHERE submission = ?", [submission]
        )


if __name__ == "__main__":
    measured = _import_only if sys.argv[2:] else _send_through
    sys.stdout.buffer.write(orjson.dumps(measured(int(sys.argv[1]))))
