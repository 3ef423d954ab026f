"""A tick has one deadline for the network and the database together, and loses nothing when it passes."""

from __future__ import annotations

import time

import pytest

from grabient_pipeline.batches import poll as poll_module
from grabient_pipeline.batches import tick as tick_module
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import WarehouseBusy

MINI = "openai/gpt-4o-mini"
OSS = "groq/openai/gpt-oss-20b"
TICK_SECONDS = 3.0
RECORD_SECONDS = 1.5
# Starting a thread, opening the database and a busy machine take some time after the deadline.
MARGIN_SECONDS = 1.5
# Holds the database from the first line of its input until the second, or for the given seconds.
HOLDER = """
import sys, time
from pathlib import Path
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
warehouse = Warehouse.at(Settings(Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
with warehouse.connect():
    print("holding", flush=True)
    time.sleep(float(sys.argv[2])) if len(sys.argv) > 2 else sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def short_reserve(monkeypatch):
    """Reserve less time for recording, so that a short deadline leaves some for the providers."""
    for module in (poll_module, tick_module):
        monkeypatch.setattr(module, "RECORD_SECONDS", RECORD_SECONDS)


@pytest.fixture
def hold_after_polling(workbench, run_python, monkeypatch):
    """Start a process that holds the database once the providers have answered the next poll."""

    def start(*seconds):
        holder = run_python(HOLDER, workbench.settings.data_dir, *seconds)
        assert holder.stdout.readline() == "ready\n"
        fetch_states = poll_module.fetch_states

        def fetch_then_hold(*arguments):
            monkeypatch.setattr(poll_module, "fetch_states", fetch_states)
            report = fetch_states(*arguments)
            assert len(report.states) == 2
            holder.stdin.write("hold\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == "holding\n"
            return report

        monkeypatch.setattr(poll_module, "fetch_states", fetch_then_hold)
        return holder

    return start


def timed_tick(workbench):
    """Return the report of a tick, or the error that ended it, and its duration in seconds."""
    started = time.monotonic()
    try:
        outcome = workbench.pipeline.tick(Deadline.after(TICK_SECONDS), wait_seconds=0.5)
    except WarehouseBusy as error:
        outcome = error
    return outcome, time.monotonic() - started


def statuses(workbench):
    return dict(workbench.rows("SELECT provider, status FROM tag_batches"))


def test_a_held_database_ends_the_tick_at_the_deadline_and_the_next_tick_records_the_states(
    workbench, hold_after_polling
):
    workbench.backfill(MINI, OSS, analysis_count=1)
    workbench.wait()
    holder = hold_after_polling()
    outcome, seconds = timed_tick(workbench)
    assert isinstance(outcome, WarehouseBusy)
    # And not after 0.5 s: that limit applies only until the providers have answered.
    assert TICK_SECONDS - 0.5 < seconds < TICK_SECONDS + MARGIN_SECONDS
    holder.communicate("release\n", timeout=20)
    assert statuses(workbench) == {"openai": "submitted", "groq": "submitted"}

    report = workbench.pipeline.tick(Deadline.after(30), wait_seconds=0.5)
    assert len(report.collectable) == 2
    assert statuses(workbench) == {"openai": "completed", "groq": "completed"}


def test_states_are_recorded_if_the_database_becomes_free_before_the_deadline(workbench, hold_after_polling):
    workbench.backfill(MINI, OSS, analysis_count=1)
    workbench.wait()
    hold_after_polling(1.0)
    report, seconds = timed_tick(workbench)
    assert len(report.collectable) == 2
    assert 1.0 < seconds < TICK_SECONDS + MARGIN_SECONDS
    assert statuses(workbench) == {"openai": "completed", "groq": "completed"}


def test_a_database_that_is_held_before_the_providers_are_asked_ends_the_tick_early(workbench, run_python):
    workbench.backfill(MINI, OSS, analysis_count=1)
    workbench.wait()
    holder = run_python(HOLDER, workbench.settings.data_dir)
    holder.stdin.write("hold\n")
    holder.stdin.flush()
    assert [holder.stdout.readline() for _ in range(2)] == ["ready\n", "holding\n"]
    calls = len(workbench.server.sandbox.requests)
    outcome, seconds = timed_tick(workbench)
    assert isinstance(outcome, WarehouseBusy)
    assert seconds < TICK_SECONDS - 1
    assert len(workbench.server.sandbox.requests) == calls


def test_a_hanging_provider_does_not_keep_the_states_of_the_others_from_being_recorded(workbench):
    workbench.backfill(MINI, OSS, analysis_count=1)
    workbench.wait()
    workbench.arm("hang", "groq")
    report, seconds = timed_tick(workbench)
    assert seconds < TICK_SECONDS + MARGIN_SECONDS
    assert len(report.collectable) == 1
    (failure,) = report.failures.values()
    assert failure.startswith("groq: no response within")
    assert statuses(workbench) == {"openai": "completed", "groq": "submitted"}
