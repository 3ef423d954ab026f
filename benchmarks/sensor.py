"""Duration of a sensor tick, also with a provider that hangs, and with thousands of pending batches."""

from __future__ import annotations

import datetime as dt
import os
import time
from unittest import mock

import dagster as dg
import httpx2

from benchmarks.report import Measurement
from benchmarks.synthetic import MODELS, open_pipeline
from grabient_pipeline.batches import reservation
from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.defs.sensors import poll_batches
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.sandbox import SandboxServer

_LIMIT_SECONDS = 10.0
_HANGING_LIMIT_SECONDS = 45.0
_HANGING = "groq"
# Many batches: every one has to be asked about within this many ticks, over a network with this delay.
_TICKS = 3
_DELAY_SECONDS = 0.25


def sensor(quick: bool) -> list[Measurement]:
    """Measure a tick over 100 pending batches of four providers, then another while one provider hangs.

    The measured time covers all of `poll_batches` as Dagster calls it, with the real SDKs over HTTP to the sandbox in a
    process of its own: pending batches are read, each is polled, and the responses are recorded. Dagster cancels a tick
    after 60 s and discards its result. While all providers respond, a tick must stay far below that; while one hangs,
    it must still end in time and record the responses of the others. There is no floor: a tick has to be in time, not
    fast.
    """
    rounds = 5 if quick else 25
    with (
        SandboxServer(where="process", batch_seconds=3600) as server,
        open_pipeline(rounds, server.environment()) as pipeline,
    ):
        for _ in range(rounds):
            # One more palette: a batch for each of the four models.
            report = pipeline.backfill(BackfillRequest(models=list(MODELS.values()), analysis_count=1, limit=1))
            assert len(report.submitted) == len(MODELS), report.failures
        batches = rounds * len(MODELS)
        variables = {
            **server.environment(),
            "GRABIENT_SANDBOX": "1",
            "GRABIENT_DATA_DIR": str(pipeline.settings.data_dir),
        }
        with mock.patch.dict(os.environ, variables):
            seconds = _time_tick()
            first = _read_poll_times(pipeline)
            answered = len(first)
            _make_provider_hang(server)
            hanging_seconds = _time_tick()
        newer = sum(
            polled_at > first[name] for name, polled_at in _read_poll_times(pipeline, excluded=_HANGING).items()
        )
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


def ticks(quick: bool) -> list[Measurement]:
    """Measure ticks over 3,000 pending batches of four providers: how many each asks about, and after how many all are.

    The batches hold one request each. A third of those of each provider has ended, so that the ticks record ends as
    well. Every call takes a quarter of a second longer, as over a real network.
    """
    batches = 400 if quick else 3000
    with (
        SandboxServer(where="process", batch_seconds=3600) as server,
        open_pipeline(batches // len(MODELS), server.environment()) as pipeline,
        mock.patch.object(reservation, "piece_size", lambda *_: 1),
    ):
        report = pipeline.backfill(BackfillRequest(models=list(MODELS.values()), analysis_count=1))
        assert len(report.submitted) == batches, report.failures
        _end_a_third(server)
        _arm(server, {"name": "slow_calls", "seconds": _DELAY_SECONDS, "calls": "reading"})
        variables = {
            **server.environment(),
            "GRABIENT_SANDBOX": "1",
            "GRABIENT_DATA_DIR": str(pipeline.settings.data_dir),
        }
        asked: list[int] = []
        seconds: list[float] = []
        with mock.patch.dict(os.environ, variables):
            while len(asked) < _TICKS and (not asked or asked[-1] < batches):
                seconds.append(_time_tick())
                asked.append(len(_read_poll_times(pipeline)))
        calls = httpx2.get(f"{server.url}/_sandbox/calls").json()
    return [
        Measurement(
            f"sensor: {batches:,} pending batches are asked about",
            f"{asked[-1]:,} after {len(asked)} of {_TICKS} ticks ({', '.join(f'{each:.1f}' for each in seconds)} s)",
            target=f"all, < {_HANGING_LIMIT_SECONDS:g} s a tick",
            met=asked[-1] == batches and max(seconds) < _HANGING_LIMIT_SECONDS,
        ),
        Measurement(
            "sensor: the calls of these ticks",
            f"{sum(sum(calls[key].get('reading', {}).values()) for key in MODELS):,}",
        ),
    ]


def _end_a_third(server: SandboxServer) -> None:
    batches = httpx2.get(f"{server.url}/_sandbox/batches").json()["batches"]
    for batch in batches[::3]:
        httpx2.post(f"{server.url}/_sandbox/batches/end", params={"batch": batch["id"]}).raise_for_status()


def _time_tick() -> float:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"pipeline": PipelineResource()})
        started = time.perf_counter()
        poll_batches.evaluate_tick(context)
        return time.perf_counter() - started


def _make_provider_hang(server: SandboxServer) -> None:
    _arm(server, {"name": "hang", "provider": _HANGING, "seconds": 60})


def _arm(server: SandboxServer, fault: dict[str, object]) -> None:
    httpx2.post(f"{server.url}/_sandbox/faults", json=fault).raise_for_status()


def _read_poll_times(pipeline: Pipeline, excluded: str = "") -> dict[str, dt.datetime]:
    """Return when each batch was last polled, by submission, without the batches of one provider."""
    with pipeline.warehouse.connect() as connection:
        rows = connection.execute(
            "SELECT submission, polled_at FROM tag_batches WHERE polled_at IS NOT NULL AND provider <> ?", [excluded]
        ).fetchall()
    return dict(rows)
