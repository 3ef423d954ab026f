"""`kill -9` at every marked moment of every step, and at any time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.ground import PROVIDERS, Ground
from grabient_pipeline.crash_points import CRASH_POINTS

AT_MOMENTS = "kill -9 at every marked moment"
AT_RANDOM = "kill -9 at any time"
IN_A_LOOP = "kill -9 of poll --watch, again and again"

# A kill may hit a creation on its way: the provider gets so long to have it.
_MARGIN_SECONDS = 3.0


@dataclass(frozen=True)
class _Way:
    """How a moment is reached: what goes before, and the command that gets there. `times`: how often it may be."""

    prepare: Callable[[Ground], object]
    command: Callable[[Ground], Sequence[object]]
    stages: tuple[str, ...] = ("tagging", "refinement")
    times: int = 1


def _nothing(_: Ground) -> None:
    pass


def _ask(ground: Ground) -> None:
    ground.must(*ground.asking)
    ground.end_batches()


def _lose(ground: Ground) -> None:
    ground.arm("create_then_500", ground.providers[0], times=1)
    ground.run(*ground.asking)
    ground.end_batches()


def _collect(ground: Ground) -> None:
    _ask(ground)
    ground.must("poll")


def _forget_the_parses(ground: Ground) -> None:
    """As if a better parser had come with an update."""
    _collect(ground)
    with ground.warehouse.connect() as connection:
        connection.execute("UPDATE answer_parses SET parser_version = 0")


def _forget_the_recipe(ground: Ground) -> None:
    """As if another way to compose embed texts had come with an update."""
    _collect(ground)
    with ground.warehouse.connect() as connection:
        connection.execute("UPDATE palette_tag_refined SET embed_text_recipe = 0")


def _import(ground: Ground) -> Sequence[object]:
    return ("import", ground.palettes_file)


def _asking(ground: Ground) -> Sequence[object]:
    return ground.asking


def _reconciling(_: Ground) -> Sequence[object]:
    return ("reconcile", "--margin", "0")


def _polling(_: Ground) -> Sequence[object]:
    return ("poll",)


_IMPORTING = _Way(_nothing, _import, ("empty",))
_SENDING = _Way(_nothing, _asking)
_FINDING = _Way(_lose, _reconciling)
_COLLECTING = _Way(_ask, _polling)
_READING = _Way(_forget_the_parses, _polling)
# A poll publishes after each of its steps.
_PUBLISHING = _Way(_ask, _polling, times=3)

_WAYS: dict[str, _Way] = {
    "import.writing": _IMPORTING,
    "import.written": _IMPORTING,
    "reserve.writing": _SENDING,
    "reserve.written": _SENDING,
    "submit.file_written": _SENDING,
    "submit.uploaded": _SENDING,
    "submit.created": _SENDING,
    "submit.recorded": _SENDING,
    "reconcile.searched": _FINDING,
    "reconcile.adopted": _FINDING,
    "poll.asked": _COLLECTING,
    "poll.recorded": _COLLECTING,
    "collect.downloaded": _COLLECTING,
    "collect.staged": _COLLECTING,
    "collect.settling": _COLLECTING,
    "collect.settled": _COLLECTING,
    "parse.read": _READING,
    "parse.storing": _READING,
    "consensus.counting": _COLLECTING,
    "consensus.counted": _COLLECTING,
    "compose.writing": _Way(_forget_the_recipe, _polling, ("refinement",)),
    "score.writing": _COLLECTING,
    "publish.copied": _PUBLISHING,
    "publish.published": _PUBLISHING,
}


def at_moments(providers: Sequence[str] = PROVIDERS, *, repeated: bool = True) -> Iterator[Drill]:
    """A drill for every moment, provider and stage.

    Args:
        repeated: also at the second and third time that a moment is reached, where it is reached so often.
    """
    unknown = set(CRASH_POINTS) ^ set(_WAYS)
    if unknown:
        raise DrillFailed(f"no way is known to the moments {', '.join(sorted(unknown))}")
    for moment, way in _WAYS.items():
        for stage in way.stages:
            for provider in providers:
                for number in range(1, (way.times if repeated else 1) + 1):
                    place = moment if number == 1 else f"{moment}:{number}"
                    yield Drill(
                        AT_MOMENTS,
                        f"{place}, {provider}, {stage}",
                        partial(_die, way=way, moment=place),
                        (provider,),
                        stage,
                    )


def _die(ground: Ground, way: _Way, moment: str) -> None:
    way.prepare(ground)
    ground.die_at(moment, *way.command(ground))
    if not _has_palettes(ground):
        ground.must("import", ground.palettes_file)


def _has_palettes(ground: Ground) -> bool:
    return ground.facts("status")["palettes"] > 0


def at_random(rounds: int, kills: int = 5) -> Iterator[Drill]:
    """Drills in which one command after another dies at a time that is drawn, with all providers at once."""
    for number in range(1, rounds + 1):
        stage = ("tagging", "refinement")[number % 2]
        # A refinement has one provider.
        providers = PROVIDERS if stage == "tagging" else (PROVIDERS[number // 2 % len(PROVIDERS)],)
        yield Drill(
            AT_RANDOM,
            f"round {number}, {stage}",
            partial(_die_at_any_time, kills=kills),
            providers,
            stage,
            _MARGIN_SECONDS,
        )


def _die_at_any_time(ground: Ground, kills: int) -> None:
    longest = _seconds_of(ground)
    for _ in range(4 * kills):
        if ground.kill_points == kills:
            return
        command = ground.rng.choice(
            (ground.asking, ground.asking, ("poll",), ("poll",), ("cancel", "--all"), ("reconcile", "--margin", 3))
        )
        ended = ground.start(*command).kill_after(ground.rng.uniform(0.01, longest))
        if ended.killed:
            ground.survived()
        if ground.rng.random() < 0.5:
            ground.end_batches()


def _seconds_of(ground: Ground) -> float:
    """How long a command takes here and now."""
    started = time.monotonic()
    ground.must("poll")
    return time.monotonic() - started


def in_a_loop(rounds: int, kills: int = 4) -> Iterator[Drill]:
    """Drills in which whole processes, as a person starts them, are killed."""
    for number in range(1, rounds + 1):
        yield Drill(
            IN_A_LOOP,
            f"round {number}",
            partial(_watch_and_die, kills=kills),
            PROVIDERS,
            margin_seconds=_MARGIN_SECONDS,
        )


def _watch_and_die(ground: Ground, kills: int) -> None:
    for _ in range(kills):
        asking = ground.start_whole(*ground.asking)
        watching = ground.start_whole("poll", "--watch", "--interval", "0.1")
        for running in (asking, watching):
            if running.kill_after(ground.rng.uniform(0.5, 4.0)).killed:
                ground.survived()
        ground.end_batches()
