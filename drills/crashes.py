"""`kill -9` at every crash point of every step, and at random times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.environment import FLEX_MODEL, PROVIDERS, DrillEnvironment
from drills.lost_ledgers import adopt_without_palettes, put_back_older_ledger
from grabient_pipeline.crash_points import CRASH_POINTS

AT_CRASH_POINTS = "kill -9 at every crash point"
AT_RANDOM_TIMES = "kill -9 at random times"
IN_A_LOOP = "repeated kill -9 of poll --watch"

# A kill may interrupt a creation in progress; the provider gets this long to finish it.
_MARGIN_SECONDS = 3.0


@dataclass(frozen=True)
class CrashScenario:
    """How a command reaches a crash point.

    Attributes:
        prepare: what happens before.
        command: gives the command that reaches the crash point.
        stages: the stages in which it is reached.
        occurrences: how often one command reaches it, at most.
        providers: those whose requests can reach it.
    """

    prepare: Callable[[DrillEnvironment], object]
    command: Callable[[DrillEnvironment], Sequence[object]]
    stages: tuple[str, ...] = ("tagging", "refinement")
    occurrences: int = 1
    providers: tuple[str, ...] = PROVIDERS


def _do_nothing(_: DrillEnvironment) -> None:
    pass


def _submit(environment: DrillEnvironment) -> None:
    environment.run_checked(*environment.submit_command)
    environment.end_batches()


def _lose_response(environment: DrillEnvironment) -> None:
    environment.arm_fault("create_then_500", environment.providers[0], times=1)
    environment.run(*environment.submit_command)
    environment.end_batches()


def _collect(environment: DrillEnvironment) -> None:
    _submit(environment)
    environment.run_checked("poll")


def _outdate_parser(environment: DrillEnvironment) -> None:
    """Simulate an update with a newer parser."""
    _collect(environment)
    with environment.warehouse.connect() as connection:
        connection.execute("UPDATE answer_parses SET parser_version = 0")


def _outdate_embed_texts(environment: DrillEnvironment) -> None:
    """Simulate an update that composes embed texts differently."""
    _collect(environment)
    with environment.warehouse.connect() as connection:
        connection.execute("UPDATE palette_tag_refined SET embed_text_recipe = 0")


def _refuse_flex(environment: DrillEnvironment) -> None:
    environment.arm_fault("flex_refused", "openai")


def _flex_command(environment: DrillEnvironment) -> Sequence[object]:
    return ("backfill", "--direct", "--model", FLEX_MODEL, "--analysis-count", environment.analyses)


def _import_command(environment: DrillEnvironment) -> Sequence[object]:
    return ("import", environment.palettes_file)


def _submit_command(environment: DrillEnvironment) -> Sequence[object]:
    return environment.submit_command


def _reconcile_command(_: DrillEnvironment) -> Sequence[object]:
    return ("reconcile", "--margin", "0")


def _poll_command(_: DrillEnvironment) -> Sequence[object]:
    return ("poll",)


_IMPORT = CrashScenario(_do_nothing, _import_command, ("empty",))
_SUBMIT = CrashScenario(_do_nothing, _submit_command)
_RECONCILE = CrashScenario(_lose_response, _reconcile_command)
_ADOPT = CrashScenario(put_back_older_ledger, _reconcile_command)
_JOIN = CrashScenario(adopt_without_palettes, _import_command, ("tagging",))
_COLLECT = CrashScenario(_submit, _poll_command)
_PARSE = CrashScenario(_outdate_parser, _poll_command)
_COMPOSE = CrashScenario(_outdate_embed_texts, _poll_command, ("refinement",))
# A poll publishes after each of its steps.
_PUBLISH = CrashScenario(_submit, _poll_command, occurrences=3)

_FALL_BACK = CrashScenario(_refuse_flex, _flex_command, ("tagging",), providers=("openai",))

_SCENARIOS: dict[str, CrashScenario] = {
    "import.writing": _IMPORT,
    "import.written": _IMPORT,
    "order.made": _SUBMIT,
    "reserve.writing": _SUBMIT,
    "reserve.written": _SUBMIT,
    "submit.file_written": _SUBMIT,
    "submit.uploaded": _SUBMIT,
    "submit.created": _SUBMIT,
    "submit.recorded": _SUBMIT,
    "direct.repricing": _FALL_BACK,
    "direct.repriced": _FALL_BACK,
    "reconcile.searched": _RECONCILE,
    "reconcile.adopted": _RECONCILE,
    "adopt.recording": _ADOPT,
    "adopt.recorded": _ADOPT,
    "join.staged": _JOIN,
    "join.storing": _JOIN,
    "poll.asked": _COLLECT,
    "poll.recorded": _COLLECT,
    "collect.downloaded": _COLLECT,
    "collect.staged": _COLLECT,
    "collect.settling": _COLLECT,
    "collect.settled": _COLLECT,
    "parse.read": _PARSE,
    "parse.storing": _PARSE,
    "consensus.counting": _COLLECT,
    "consensus.counted": _COLLECT,
    "compose.writing": _COMPOSE,
    "score.writing": _COLLECT,
    "publish.copied": _PUBLISH,
    "publish.published": _PUBLISH,
    # The first command on a database corrects its prices.
    "prices.correcting": _IMPORT,
}


def crash_point_drills(providers: Sequence[str] = PROVIDERS, *, repeated: bool = True) -> Iterator[Drill]:
    """Yield a drill for every crash point, stage and provider.

    Args:
        providers: the providers to include.
        repeated: also crash at the later occurrences of a crash point that one command reaches several times.
    """
    mismatched = set(CRASH_POINTS) ^ set(_SCENARIOS)
    if mismatched:
        raise DrillFailed(f"crash points without a scenario, or scenarios without one: {', '.join(sorted(mismatched))}")
    for name, scenario in _SCENARIOS.items():
        for stage in scenario.stages:
            for provider in (each for each in providers if each in scenario.providers):
                for occurrence in range(1, (scenario.occurrences if repeated else 1) + 1):
                    crash_point = name if occurrence == 1 else f"{name}:{occurrence}"
                    yield Drill(
                        AT_CRASH_POINTS,
                        f"{crash_point}, {provider}, {stage}",
                        partial(_crash, scenario=scenario, crash_point=crash_point),
                        (provider,),
                        stage,
                    )


def _crash(environment: DrillEnvironment, scenario: CrashScenario, crash_point: str) -> None:
    scenario.prepare(environment)
    environment.crash_at(crash_point, *scenario.command(environment))
    if environment.run_json("status")["palettes"] == 0:
        environment.run_checked("import", environment.palettes_file)


def random_kill_drills(rounds: int, kills: int = 5) -> Iterator[Drill]:
    """Yield drills in which one command after another is killed at a random time, with all providers at once."""
    for number in range(1, rounds + 1):
        stage = ("tagging", "refinement")[number % 2]
        # A refinement uses one provider.
        providers = PROVIDERS if stage == "tagging" else (PROVIDERS[number // 2 % len(PROVIDERS)],)
        yield Drill(
            AT_RANDOM_TIMES,
            f"round {number}, {stage}",
            partial(_kill_at_random_times, kills=kills),
            providers,
            stage,
            _MARGIN_SECONDS,
        )


def _kill_at_random_times(environment: DrillEnvironment, kills: int) -> None:
    longest = _measure_poll(environment)
    submit = environment.submit_command
    for _ in range(4 * kills):
        if environment.kills == kills:
            return
        command = environment.rng.choice(
            (submit, submit, ("poll",), ("poll",), ("cancel", "--all"), ("reconcile", "--margin", 3))
        )
        completed = environment.start(*command).kill_after(environment.rng.uniform(0.01, longest))
        if completed.killed:
            environment.record_kill()
        if environment.rng.random() < 0.5:
            environment.end_batches()


def _measure_poll(environment: DrillEnvironment) -> float:
    """Return the seconds that a command takes on this machine."""
    started = time.monotonic()
    environment.run_checked("poll")
    return time.monotonic() - started


def kill_loop_drills(rounds: int, kills: int = 4) -> Iterator[Drill]:
    """Yield drills in which whole processes, started as a person starts them, are killed."""
    for number in range(1, rounds + 1):
        yield Drill(
            IN_A_LOOP,
            f"round {number}",
            partial(_kill_watching_commands, kills=kills),
            PROVIDERS,
            margin_seconds=_MARGIN_SECONDS,
        )


def _kill_watching_commands(environment: DrillEnvironment, kills: int) -> None:
    for _ in range(kills):
        submit = environment.start_installed(*environment.submit_command)
        watch = environment.start_installed("poll", "--watch", "--interval", "0.1")
        for command in (submit, watch):
            if command.kill_after(environment.rng.uniform(0.5, 4.0)).killed:
                environment.record_kill()
        environment.end_batches()
