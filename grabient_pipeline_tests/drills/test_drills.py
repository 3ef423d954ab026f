"""A part of `make drills` with a fixed seed: every marked moment once, and one drill of every other kind."""

from __future__ import annotations

from itertools import cycle

import pytest

from drills.__main__ import rooms
from drills.crashes import at_moments, at_random
from drills.drill import Drill
from drills.ground import MODELS, PROVIDERS, REFINING_MODELS
from drills.lost_answers import lost_answers
from drills.money import money
from drills.odd_answers import ODDITIES, odd_answers
from drills.partial_results import partial_results
from drills.report import Outcome, lines
from drills.runner import Place, run_one
from drills.together import together
from grabient_pipeline.crash_points import CRASH_POINTS
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.sandbox.discovery import FAULTS

SEED = 20

# Of the rest, what is quick and different in kind.
OTHERS = (
    "create_then_drop, anthropic, tagging",
    "create_then_drop, openai, refinement",
    "create_then_timeout, groq",
    "drop_then_create, google",
    "counts_as_strings, openai",
    "cancelled by us, half of it done, all providers",
    "expired, half of it done, openai, refinement",
    "cancelled at the provider, google, refinement",
    "completed, no files and no counts",
    "rows that never come",
    "rows without an id",
    "two backfills at once",
    "a reconcile during a backfill",
    "anthropic and openai",
)


def _moments() -> list[Drill]:
    """Each moment once; providers and stages take turns, so that all are seen."""
    drills = {drill.name: drill for drill in at_moments(repeated=False)}
    chosen: list[Drill] = []
    turns = zip(cycle(PROVIDERS), cycle(("tagging", "refinement", "refinement", "tagging", "tagging")), strict=False)
    for moment, (provider, stage) in zip(CRASH_POINTS, turns, strict=False):
        name = next(
            name
            for wanted in (stage, "tagging", "refinement", "empty")
            if (name := f"{moment}, {provider}, {wanted}") in drills
        )
        chosen.append(drills[name])
    return chosen


def _others() -> list[Drill]:
    every = [*lost_answers(), *partial_results(), *odd_answers(), *together(), *money()]
    by_name = {drill.name: drill for drill in every}
    return [by_name[name] for name in OTHERS]


CHOSEN = [*_moments(), *_others(), *at_random(1, kills=4)]


@pytest.mark.parametrize("drill", CHOSEN, ids=[drill.name for drill in CHOSEN])
def test_nothing_is_paid_twice_and_nothing_is_lost(place: Place, drill: Drill) -> None:
    outcome = run_one(place, drill, SEED)
    assert outcome.failure is None
    assert outcome.account.paid_twice == 0
    assert outcome.account.kept + outcome.account.lost == outcome.account.billed > 0


def test_every_marked_moment_is_drilled_for_every_provider_and_stage() -> None:
    names = {drill.name for drill in at_moments()}
    for moment in CRASH_POINTS:
        for provider in PROVIDERS:
            stages = {
                stage for stage in ("empty", "tagging", "refinement") if f"{moment}, {provider}, {stage}" in names
            }
            assert stages in ({"empty"}, {"tagging", "refinement"}, {"refinement"}), moment


def test_the_kill_points_of_a_full_run_are_at_least_200() -> None:
    assert len(list(at_moments())) + 5 * len(list(at_random(12))) >= 200


def test_every_fault_of_batches_is_drilled() -> None:
    """A fault that the sandbox learns later has to find its place in the drills."""
    met = {fault for oddity in ODDITIES for fault in oddity.faults}
    names = " ".join(drill.name for drill in (*lost_answers(), *partial_results()))
    met |= {fault for fault in FAULTS if fault in names}
    # These are armed under other words, belong to ordinary calls, or are a matter of the security tests.
    elsewhere = {"expire", "slow_batch", "cancel_keeps", "cancel_then_500", "cancel_too_late", "fail_batch", "refuse"}
    elsewhere |= {"limit_rate", "slow_answers", "answer_then_drop", "hostile_words"}
    assert FAULTS.keys() - met - elsewhere == set()


def test_every_drill_has_a_name_of_its_own() -> None:
    names = [(drill.row, drill.name) for room in rooms(12).values() for drill in room()]
    assert len(names) == len(set(names))


def test_the_models_of_the_drills_are_in_the_catalogue() -> None:
    names = {model.name for model in load_catalogue().models}
    assert {*MODELS.values(), *REFINING_MODELS.values()} <= names


def test_the_table_has_a_line_a_row_and_one_failure_fails_it() -> None:
    outcomes = [
        Outcome("a", "first", 1, kill_points=1),
        Outcome("b", "other", 1),
        Outcome("a", "second", 1, kill_points=2, failure="no", notes=("so",)),
    ]
    first, second = lines(outcomes)
    assert (first.row, first.drills, first.kill_points, first.passed, first.notes) == ("a", 2, 3, False, ("so",))
    assert (second.row, second.passed) == ("b", True)
