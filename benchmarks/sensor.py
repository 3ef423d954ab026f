"""How long a tick of the sensor takes, and what a provider that hangs does to it."""

from __future__ import annotations

import datetime as dt
import os
import time
from unittest import mock

import dagster as dg
import httpx2

from benchmarks.report import Measurement
from benchmarks.synthetic import MODELS, pipeline
from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.defs.sensors import poll_batches
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.sandbox import SandboxServer

_LIMIT_SECONDS = 10.0
_HANGING_LIMIT_SECONDS = 45.0
_HANGING = "groq"


def sensor(quick: bool) -> list[Measurement]:
    """A tick over 100 pending batches of four providers, then another while one of the providers hangs.

    Measured: all of `poll_batches` as Dagster calls it, with the real SDKs over HTTP to the sandbox, which runs in a
    process of its own: what is pending is read, each batch is asked about, the answers are written down. The bounds
    are Dagster's: it cuts a tick off after 60 s and throws its findings away. With everybody answering a tick has to
    be far from that; with one provider hanging it must end in time all the same, and what the others said must be in
    the database. There is no floor: a tick is not made to be fast, it is made to be in time.
    """
    rounds = 5 if quick else 25
    with (
        SandboxServer(where="process", batch_seconds=3600) as server,
        pipeline(rounds, server.environment()) as opened,
    ):
        for _ in range(rounds):
            # One palette that has not been asked about yet: a batch for each of the four models.
            report = opened.backfill(BackfillRequest(models=list(MODELS.values()), analysis_count=1, limit=1))
            assert len(report.submitted) == len(MODELS), report.failures
        batches = rounds * len(MODELS)
        variables = {
            **server.environment(),
            "GRABIENT_SANDBOX": "1",
            "GRABIENT_DATA_DIR": str(opened.settings.data_dir),
        }
        with mock.patch.dict(os.environ, variables):
            seconds = _tick()
            first = _polled_at(opened)
            answered = len(first)
            _let_hang(server)
            hanging_seconds = _tick()
        newer = sum(polled_at > first[name] for name, polled_at in _polled_at(opened, but=_HANGING).items())
    others = batches - rounds
    return [
        Measurement(
            f"sensor: a tick over {batches} pending batches",
            f"{seconds:.1f} s ({answered} answered)",
            target=f"< {_LIMIT_SECONDS:g} s",
            met=seconds < _LIMIT_SECONDS and answered == batches,
        ),
        Measurement(
            f"sensor: the same while {_HANGING} hangs",
            f"{hanging_seconds:.1f} s ({newer} of the others' {others} answered)",
            target=f"< {_HANGING_LIMIT_SECONDS:g} s, all of the others'",
            met=hanging_seconds < _HANGING_LIMIT_SECONDS and newer == others,
        ),
    ]


def _tick() -> float:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"pipeline": PipelineResource()})
        started = time.perf_counter()
        poll_batches.evaluate_tick(context)
        return time.perf_counter() - started


def _let_hang(server: SandboxServer) -> None:
    fault = {"name": "hang", "provider": _HANGING, "seconds": 60}
    httpx2.post(f"{server.url}/_sandbox/faults", json=fault).raise_for_status()


def _polled_at(opened: Pipeline, but: str = "") -> dict[str, dt.datetime]:
    """When each batch was last answered for, by submission; without those of a provider."""
    with opened.warehouse.connect() as connection:
        rows = connection.execute(
            "SELECT submission, polled_at FROM tag_batches WHERE polled_at IS NOT NULL AND provider <> ?", [but]
        ).fetchall()
    return dict(rows)
