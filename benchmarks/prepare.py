"""Throughput of planning, reserving and writing requests."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

import orjson

from benchmarks.report import Measurement
from benchmarks.synthetic import ANALYSES, enabled_models, open_pipeline, plan_and_reserve
from grabient_pipeline.batches.custom_ids import custom_id_length
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.palette import describe_palettes
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.registry import request_format
from grabient_pipeline.tagging import user_message


def prepare(quick: bool) -> list[Measurement]:
    """Measure a backfill without the network, against `orjson.dumps` of every request in a plain loop.

    The measured time covers finding the missing requests, describing the palettes, reserving every request in the
    database, and writing the file of each batch (which is deleted, as after its submission). The floor writes the same
    lines to the same disk and nothing else; its requests are built as dicts before the clock starts. Any preparation of
    batches in Python takes at least the floor, so the ratio shows what planning and reserving add. The default backfill
    has ten models; with a single model, shown without a target, the description of the palettes weighs more.
    """
    palettes = 2_500 if quick else 12_500
    models = enabled_models()
    return [
        _measure(palettes, models, rounds=2, target=0.5),
        _measure(palettes, models[-1:], rounds=2, target=None),
    ]


def _measure(palettes: int, models: list[Model], *, rounds: int, target: float | None) -> Measurement:
    requests = palettes * ANALYSES * len(models)
    seconds = floor = float("inf")
    for _ in range(rounds):
        with open_pipeline(palettes) as pipeline:
            floor = min(floor, _time_floor(pipeline, models))
            seconds = min(seconds, reserve_and_write(pipeline, models))
    ratio = floor / seconds
    return Measurement(
        f"prepare: {requests:,} requests, {len(models)} model" + ("s" if len(models) > 1 else ""),
        f"{requests / seconds:,.0f}/s ({seconds:.1f} s)",
        f"{requests / floor:,.0f}/s (bare orjson)",
        ratio,
        f"ratio ≥ {target}" if target else "",
        ratio >= target if target else None,
    )


def reserve_and_write(pipeline: Pipeline, models: list[Model]) -> float:
    """Order and reserve all missing requests, write and delete the file of each batch, and return the seconds."""
    started = time.perf_counter()
    for piece in plan_and_reserve(pipeline, models):
        file = pipeline.settings.spool_dir / f"{piece.reservation.submission}.requests"
        piece.reservation.template.write(file, piece.reservation.requests(), piece.contents)
        file.unlink()
    return time.perf_counter() - started


def _time_floor(pipeline: Pipeline, models: list[Model]) -> float:
    with pipeline.warehouse.connect() as connection:
        canonical_seeds = [seed for (seed,) in connection.execute("SELECT canonical_seed FROM palettes").fetchall()]
    texts = [user_message(description.colour_data.decode()) for description in describe_palettes(canonical_seeds)]
    seconds = 0.0
    for model in models:
        written = request_format(model.provider)
        requests = [written.request(model, TAGGING.payload, "", text) for text in texts]
        seconds += _time_plain_loop(requests, pipeline.settings.spool_dir / "floor.jsonl")
    return seconds


def _time_plain_loop(requests: list[dict[str, object]], file: Path) -> float:
    key = "key" if "key" in requests[0] else "custom_id"
    head = "a" * (custom_id_length(TAGGING.name) - 6)
    rows = count()
    started = time.perf_counter()
    with file.open("wb", buffering=1 << 20) as target:
        for request in requests:
            for _ in range(ANALYSES):
                request[key] = f"{head}{next(rows):06d}"
                target.write(orjson.dumps(request) + b"\n")
    file.unlink()
    return time.perf_counter() - started
