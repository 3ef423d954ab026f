"""Running drills: two at a time, each on a ground of its own; a sandbox process for each of the two."""

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

from drills.account import Account
from drills.commands import DrillFailed
from drills.drill import Drill
from drills.ground import Ground, laid_out, prepared
from drills.report import Outcome
from grabient_pipeline.sandbox import SandboxServer

AT_A_TIME = 2


@dataclass(frozen=True)
class Place:
    """A sandbox and a folder, for one drill after another."""

    sandbox: SandboxServer
    folder: Path


def run_one(place: Place, drill: Drill, seed: int, *, keep: bool = False) -> Outcome:
    """Run a drill; the seed draws what is left to chance in it."""
    started = time.monotonic()
    rng = random.Random(seed)
    stage = "tagging" if drill.stage == "empty" else drill.stage
    ground = Ground(
        place.sandbox,
        place.folder / f"drill-{time.monotonic_ns()}",
        rng,
        drill.providers,
        stage,
        drill.analyses,
        drill.margin_seconds,
    )

    def outcome(failure: str | None = None) -> Outcome:
        seconds = time.monotonic() - started
        return Outcome(drill.row, drill.name, seed, told, ground.kill_points, seconds, failure, tuple(ground.notes))

    told = Account()
    try:
        template = None if drill.stage == "empty" else prepared(place.sandbox, place.folder, stage)
    except DrillFailed as failure:
        return outcome(f"the ground could not be prepared: {failure}")
    with laid_out(ground, template):
        try:
            drill.run(ground)
            if drill.settled:
                ground.disarm()
                ground.go_on()
            told, broken = ground.account()
        except DrillFailed as failure:
            return outcome(str(failure))
        except Exception as mistake:
            # The drill's own, or one of the pipeline that it called in its own process: the others go on.
            return outcome(f"{type(mistake).__name__}: {mistake}")
        if not drill.settled:
            broken = []
        if told.paid_twice:
            broken.append(f"{told.paid_twice} answers were paid for twice")
        if told.lost != ground.withheld:
            broken.append(f"{told.lost} answers are lost")
        return outcome("; ".join(broken) or None)


def run_all(
    drills: Sequence[tuple[Drill, int]], done: Callable[[Outcome], None], at_a_time: int = AT_A_TIME
) -> list[Outcome]:
    """Run drills with their seeds, some at a time; the outcomes in the order of the drills."""
    places: queue.SimpleQueue[Place] = queue.SimpleQueue()
    telling = threading.Lock()

    def run(drill: Drill, seed: int) -> Outcome:
        place = places.get()
        try:
            outcome = run_one(place, drill, seed)
        finally:
            places.put(place)
        with telling:
            done(outcome)
        return outcome

    with tempfile.TemporaryDirectory(prefix="grabient-drills-") as folder:
        servers = [SandboxServer(where="process", batch_seconds=0) for _ in range(at_a_time)]
        try:
            for number, server in enumerate(servers):
                places.put(Place(server.start(), Path(folder) / str(number)))
            with ThreadPoolExecutor(max_workers=at_a_time) as pool:
                return list(pool.map(lambda each: run(*each), drills))
        finally:
            for server in servers:
                server.stop()
