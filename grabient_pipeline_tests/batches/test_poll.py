"""Polling records the states that the providers report; an unreachable provider does not affect the others."""

from __future__ import annotations

import time

from grabient_pipeline.batches.poll import PendingBatch, PollReport, fetch_states
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import ProviderUncertain
from grabient_pipeline.providers.base import BatchState, Route

MINI = "openai/gpt-4o-mini"
OSS = "groq/openai/gpt-oss-20b"


class FakeProvider:
    """Reports the same state for every batch, after a delay."""

    def __init__(self, state: BatchState | Exception, seconds: float = 0) -> None:
        self._state = state
        self._seconds = seconds

    def poll(self, batch_id: str) -> BatchState:
        time.sleep(self._seconds)
        if isinstance(self._state, Exception):
            raise self._state
        return self._state


class FakeProviders:
    """Opens the given fakes by the name of the provider."""

    def __init__(self, providers: dict[str, FakeProvider]) -> None:
        self._providers = providers

    def open(self, route: Route) -> FakeProvider:
        return self._providers[route.provider]


def test_states_are_recorded(workbench):
    workbench.backfill(MINI, OSS, analysis_count=1)
    workbench.wait()
    report = workbench.pipeline.poll()
    assert len(report.ended) == 2
    assert report.pending == 0
    rows = workbench.rows("SELECT status, completed_at IS NOT NULL, polled_at IS NOT NULL FROM tag_batches")
    assert rows == [("completed", True, True)] * 2


def test_a_running_batch_stays_submitted(workbench):
    workbench.arm("slow_batch", seconds=1000)
    workbench.backfill(MINI, analysis_count=1)
    report = workbench.pipeline.poll()
    assert (report.pending, report.ended) == (1, ())
    assert workbench.rows("SELECT status, completed_at FROM tag_batches") == [("submitted", None)]


def test_an_unknown_state_is_reported_and_counts_as_pending(workbench):
    workbench.backfill(MINI, analysis_count=1)
    (submission,) = workbench.rows("SELECT submission FROM tag_batches")[0]
    answer = FakeProvider(BatchState("submitted", "pondering"))
    pending = [PendingBatch(submission, Route("openai"), "batch_1")]
    report = fetch_states(pending, FakeProviders({"openai": answer}), Deadline.after(5))
    assert report.states[submission].provider_status == "pondering"
    assert report.pending == 1


def test_a_provider_that_is_down_does_not_affect_the_others(workbench):
    workbench.backfill(MINI, OSS, analysis_count=1)
    workbench.wait()
    workbench.arm("down", provider="groq")
    report = workbench.pipeline.poll()
    assert len(report.ended) == len(report.failures) == 1
    assert not report.unreachable
    assert workbench.rows("SELECT provider, status FROM tag_batches ORDER BY provider") == [
        ("groq", "submitted"),
        ("openai", "completed"),
    ]


def test_a_hanging_provider_is_abandoned_at_the_deadline():
    providers = {
        "slow": FakeProvider(BatchState("completed", "done"), 30),
        "fast": FakeProvider(BatchState("completed", "x")),
    }
    pending = [PendingBatch(f"{name}{number}", Route(name), "id") for name in providers for number in range(6)]
    started = time.monotonic()
    report = fetch_states(pending, FakeProviders(providers), Deadline.after(0.5))
    assert time.monotonic() - started < 3
    assert sorted(report.ended) == [f"fast{number}" for number in range(6)]
    assert all("no response within" in reason for reason in report.failures.values())
    assert len(report.failures) == 6


def test_an_invalid_response_is_reported_as_a_failure():
    answers = {
        "odd": FakeProvider(KeyError("status")),
        "lost": FakeProvider(ProviderUncertain("lost", "no answer in time")),
    }
    pending = [PendingBatch(name, Route(name), "id") for name in answers]
    report = fetch_states(pending, FakeProviders(answers), Deadline.after(5))
    assert report.unreachable
    assert report.failures == {
        "odd": "odd: unexpected response (KeyError)",
        "lost": "lost: no answer in time",
    }


def test_nothing_to_poll_is_not_unreachable():
    assert not PollReport().unreachable
