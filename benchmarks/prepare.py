"""How fast requests are planned, reserved and written."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

import orjson

from benchmarks.report import Measurement
from benchmarks.synthetic import ANALYSES, asked, enabled_models, pipeline, planned
from grabient_pipeline.batches.reservation import ProviderModels, custom_id
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.palette import describe_palettes
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.tagging import user_message


def prepare(quick: bool) -> list[Measurement]:
    """All of a backfill but the network, against `orjson.dumps` of every request in a bare loop.

    Measured: what is missing is found, the palettes are described, every request is reserved in the database, and
    the file of each batch is written (and removed, as after its submission). The floor writes the same lines to the
    same disk and does nothing else: the requests stand ready as dicts before its clock runs. Whoever prepares batches
    in Python pays the floor at least, so it says what planning and reserving add. The default backfill has ten
    models; a single one bears the whole description of the palettes and is told for information.
    """
    palettes = 2_500 if quick else 12_500
    models = enabled_models()
    return [
        _measured(palettes, models, rounds=2, target=0.5),
        _measured(palettes, models[-1:], rounds=2, target=None),
    ]


def _measured(palettes: int, models: list[Model], *, rounds: int, target: float | None) -> Measurement:
    entries = asked(models)
    requests = palettes * ANALYSES * len(models)
    seconds = floor = float("inf")
    for _ in range(rounds):
        with pipeline(palettes) as opened:
            floor = min(floor, _floor(opened, entries))
            seconds = min(seconds, reserve_and_write(opened, entries))
    ratio = floor / seconds
    return Measurement(
        f"prepare: {requests:,} requests, {len(models)} model" + ("s" if len(models) > 1 else ""),
        f"{requests / seconds:,.0f}/s ({seconds:.1f} s)",
        f"{requests / floor:,.0f}/s (bare orjson)",
        ratio,
        f"ratio ≥ {target}" if target else "",
        ratio >= target if target else None,
    )


def reserve_and_write(opened: Pipeline, entries: list[ProviderModels]) -> float:
    """Seconds to plan and reserve all that is missing, and to write the file of each batch, which is gone after."""
    started = time.perf_counter()
    texts, reservations = planned(opened, entries)
    for reservation in reservations:
        file = opened.settings.spool_dir / f"{reservation.submission}.requests"
        reservation.template.write(file, reservation.requests(), texts)
        file.unlink()
    return time.perf_counter() - started


def _floor(opened: Pipeline, entries: list[ProviderModels]) -> float:
    with opened.warehouse.connect() as connection:
        canonical_seeds = [seed for (seed,) in connection.execute("SELECT canonical_seed FROM palettes").fetchall()]
    texts = [user_message(description.colour_data.decode()) for description in describe_palettes(canonical_seeds)]
    seconds = 0.0
    for entry in entries:
        for model in entry.models:
            requests = [entry.format.request(model, TAGGING.payload, "", text) for text in texts]
            seconds += _bare_loop(requests, opened.settings.spool_dir / "floor.jsonl")
    return seconds


def _bare_loop(requests: list[dict[str, object]], file: Path) -> float:
    key = "key" if "key" in requests[0] else "custom_id"
    rows = count()
    started = time.perf_counter()
    with file.open("wb", buffering=1 << 20) as target:
        for request in requests:
            for _ in range(ANALYSES):
                request[key] = custom_id("abcdefghijklmnop", next(rows))
                target.write(orjson.dumps(request) + b"\n")
    file.unlink()
    return time.perf_counter() - started
