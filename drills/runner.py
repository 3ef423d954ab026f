"""Runs drills, two at a time, each in an environment of its own; one sandbox process for each of the two."""

from __future__ import annotations

import queue
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from drills.audit import AuditTotals
from drills.commands import DrillFailed
from drills.drill import Drill
from drills.environment import DrillEnvironment, prepare_template, set_up
from drills.report import Outcome
from grabient_pipeline.sandbox import SandboxServer

CONCURRENT_DRILLS = 2


@dataclass(frozen=True)
class Worker:
    """A sandbox and a folder, used by one drill at a time."""

    sandbox: SandboxServer
    folder: Path


def run_one(worker: Worker, drill: Drill, seed: int) -> Outcome:
    """Run a drill; `seed` determines its random choices."""
    started = time.monotonic()
    stage = "tagging" if drill.stage == "empty" else drill.stage
    environment = DrillEnvironment(
        worker.sandbox,
        worker.folder / f"drill-{time.monotonic_ns()}",
        random.Random(seed),
        drill.providers,
        stage,
        drill.analyses,
        drill.margin_seconds,
    )
    totals, failure = _run_in(environment, worker, drill)
    seconds = time.monotonic() - started
    return Outcome(drill.row, drill.name, seed, totals, environment.kills, seconds, failure, tuple(environment.notes))


def _run_in(environment: DrillEnvironment, worker: Worker, drill: Drill) -> tuple[AuditTotals, str | None]:
    """Run, settle and audit a drill; returns the totals and the reason why it failed, if it did."""
    totals = AuditTotals()
    try:
        data_dir = (
            None if drill.stage == "empty" else prepare_template(worker.sandbox, worker.folder, environment.stage)
        )
    except DrillFailed as failure:
        return totals, f"cannot prepare the data directory: {failure}"
    with set_up(environment, data_dir):
        try:
            drill.run(environment)
            environment.disarm_faults()
            environment.settle()
            totals, violations = environment.audit()
        except DrillFailed as failure:
            return totals, str(failure)
        except Exception as error:
            # A bug in the drill or in the pipeline code that it calls in this process must not stop the other drills.
            return totals, f"{type(error).__name__}: {error}"
        if totals.paid_twice:
            violations.append(f"{totals.paid_twice} responses were paid for twice")
        if totals.lost != environment.withheld:
            violations.append(f"{totals.lost} responses are lost")
        return totals, "; ".join(violations) or None


def run_all(
    drills: Sequence[tuple[Drill, int]],
    on_outcome: Callable[[Outcome], None],
    concurrent_drills: int = CONCURRENT_DRILLS,
) -> list[Outcome]:
    """Run drills with their seeds; returns the outcomes in the order of the drills.

    Args:
        drills: each drill with its seed.
        on_outcome: called after each drill, by one thread at a time.
        concurrent_drills: how many drills run at a time.
    """
    workers: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    reporting = threading.Lock()

    def run(drill: Drill, seed: int) -> Outcome:
        worker = workers.get()
        try:
            outcome = run_one(worker, drill, seed)
        finally:
            workers.put(worker)
        with reporting:
            on_outcome(outcome)
        return outcome

    with tempfile.TemporaryDirectory(prefix="grabient-drills-") as folder:
        servers = [SandboxServer(where="process", batch_seconds=0) for _ in range(concurrent_drills)]
        try:
            for number, server in enumerate(servers):
                workers.put(Worker(server.start(), Path(folder) / str(number)))
            with ThreadPoolExecutor(max_workers=concurrent_drills) as pool:
                return list(pool.map(lambda seeded: run(*seeded), drills))
        finally:
            for server in servers:
                server.stop()
