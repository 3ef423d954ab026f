"""A part of `make drills` with a fixed seed: every crash point once, and one drill of every other kind."""

from __future__ import annotations

import subprocess
import sys
from itertools import cycle
from pathlib import Path

import pytest

from drills.__main__ import drill_kinds
from drills.commands import UNEXPECTED_ERROR
from drills.concurrency import concurrency_drills
from drills.crashes import crash_point_drills, random_kill_drills
from drills.drill import Drill
from drills.environment import MODELS, PROVIDERS, REFINING_MODELS
from drills.late_results import faults_of_late_drills, late_result_drills
from drills.lost_ledgers import lost_ledger_drills
from drills.lost_responses import lost_response_drills
from drills.money import money_drills
from drills.odd_responses import ODDITIES, odd_response_drills
from drills.partial_results import partial_result_drills
from drills.report import Outcome, summarise
from drills.runner import Worker, run_one
from grabient_pipeline import cli
from grabient_pipeline.crash_points import CRASH_POINTS
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.sandbox.discovery import FAULTS
from grabient_pipeline.settings import PROJECT_ROOT

SEED = 20

# Of the other kinds, quick drills that differ from each other.
OTHERS = (
    "create_then_drop, anthropic, tagging",
    "create_then_drop, openai, refinement",
    "create_then_timeout, groq",
    "drop_then_create, google",
    "counts_as_strings, openai",
    "cancelled by grabient, half finished, all providers",
    "expired, half finished, openai, refinement",
    "cancelled at the provider, google, refinement",
    "completed without files and counts",
    "rows missing at first",
    "rows without ids",
    "counts of nothing and no files, openai, tagging",
    "answers come after the batch was settled, groq",
    "a batch that is not found, given up, openai",
    "working file older, batches under way, without snapshots",
    "two concurrent backfills",
    "reconcile during backfill",
    "anthropic and openai",
)


def _select_crash_points() -> list[Drill]:
    """Select each crash point once, alternating providers and stages so that all occur."""
    drills = {drill.name: drill for drill in crash_point_drills(repeated=False)}
    selected: list[Drill] = []
    turns = zip(cycle(PROVIDERS), cycle(("tagging", "refinement", "refinement", "tagging", "tagging")), strict=False)
    for crash_point, (provider, preferred) in zip(CRASH_POINTS, turns, strict=False):
        name = next(
            name
            for each in (provider, *PROVIDERS)
            for stage in (preferred, "tagging", "refinement", "empty")
            if (name := f"{crash_point}, {each}, {stage}") in drills
        )
        selected.append(drills[name])
    return selected


def _select_others() -> list[Drill]:
    drills = [
        *lost_response_drills(),
        *partial_result_drills(),
        *odd_response_drills(),
        *late_result_drills(),
        *lost_ledger_drills(),
        *concurrency_drills(),
        *money_drills(),
    ]
    by_name = {drill.name: drill for drill in drills}
    return [by_name[name] for name in OTHERS]


SELECTED = [*_select_crash_points(), *_select_others(), *random_kill_drills(1, kills=4)]


@pytest.mark.parametrize("drill", SELECTED, ids=[drill.name for drill in SELECTED])
def test_nothing_is_paid_twice_and_nothing_is_lost(worker: Worker, drill: Drill) -> None:
    outcome = run_one(worker, drill, SEED)
    assert outcome.failure is None
    assert outcome.totals.paid_twice == 0
    assert outcome.totals.kept + outcome.totals.lost == outcome.totals.billed > 0


def test_every_crash_point_is_drilled_for_every_provider_and_stage() -> None:
    names = {drill.name for drill in crash_point_drills()}
    for crash_point in CRASH_POINTS:
        # Only OpenAI has calls at the price of a batch.
        for provider in ("openai",) if crash_point.startswith("direct.") else PROVIDERS:
            stages = {
                stage for stage in ("empty", "tagging", "refinement") if f"{crash_point}, {provider}, {stage}" in names
            }
            assert stages in ({"empty"}, {"tagging"}, {"tagging", "refinement"}, {"refinement"}), crash_point


def test_a_full_run_kills_at_least_200_processes() -> None:
    assert len(list(crash_point_drills())) + 5 * len(list(random_kill_drills(12))) >= 200


def test_every_fault_of_batches_is_drilled() -> None:
    """A fault that is added to the sandbox needs a drill."""
    drilled = {fault for oddity in ODDITIES for fault in oddity.faults}
    names = " ".join(drill.name for drill in (*lost_response_drills(), *partial_result_drills()))
    drilled |= {fault for fault in FAULTS if fault in names} | faults_of_late_drills()
    # Armed in drills with other names, limited to direct calls or to lists of models, which no request depends on, or
    # covered by the security tests.
    elsewhere = {"expire", "slow_batch", "cancel_keeps", "cancel_then_500", "cancel_too_late", "fail_batch", "refuse"}
    elsewhere |= {
        "limit_rate",
        "models_deprecated",
        "models_gone",
        "slow_answers",
        "slow_calls",
        "answer_then_drop",
        "hostile_words",
        "failed_generation_answer",
        "flex_full",
        "flex_refused",
    }
    assert FAULTS.keys() - drilled - elsewhere == set()


def test_drill_names_are_unique() -> None:
    names = [(drill.row, drill.name) for drills in drill_kinds(12).values() for drill in drills()]
    assert len(names) == len(set(names))


def test_the_models_of_the_drills_are_in_the_catalogue() -> None:
    names = {model.name for model in load_catalogue().models}
    assert {*MODELS.values(), *REFINING_MODELS.values()} <= names


def test_the_drills_recognise_an_unexpected_error_of_the_command_line() -> None:
    """A changed message must change here too, or the drills would take a bug for an explained failure."""
    sources = [path.read_text("utf-8") for path in Path(cli.__file__).parent.glob("*.py")]
    assert any(UNEXPECTED_ERROR in source for source in sources)


def test_the_fork_server_exits_silently() -> None:
    """Objects left frozen at exit would make DuckDB's binding report leaks after every run of the drills."""
    finished = subprocess.run(
        [sys.executable, "-c", "import drills.preload"], cwd=PROJECT_ROOT, capture_output=True, timeout=120, check=True
    )
    assert (finished.stdout, finished.stderr) == (b"", b"")


def test_drills_of_a_row_are_summed_and_one_failure_fails_the_row() -> None:
    outcomes = [
        Outcome("a", "first", 1, kills=1),
        Outcome("b", "other", 1),
        Outcome("a", "second", 1, kills=2, failure="no", notes=("so",)),
    ]
    first, second = summarise(outcomes)
    assert (first.row, first.drills, first.kills, first.passed, first.notes) == ("a", 2, 3, False, ("so",))
    assert (second.row, second.passed) == ("b", True)
