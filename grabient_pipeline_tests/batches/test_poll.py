"""Polling: what the providers say is written down, and whoever does not answer spoils nothing."""

from __future__ import annotations

import time

from grabient_pipeline.batches.poll import PendingBatch, PollReport, fetch_states
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import ProviderUncertain
from grabient_pipeline.providers.base import BatchState, Route

MINI = "openai/gpt-4o-mini"
OSS = "groq/openai/gpt-oss-20b"


class OneAnswer:
    """A provider that says the same of every batch, or says nothing for a while."""

    def __init__(self, state: BatchState | Exception, seconds: float = 0) -> None:
        self._state = state
        self._seconds = seconds

    def poll(self, batch_id: str) -> BatchState:
        time.sleep(self._seconds)
        if isinstance(self._state, Exception):
            raise self._state
        return self._state


class FakeProviders:
    """Opens what it was given, by the name of the provider."""

    def __init__(self, providers: dict[str, OneAnswer]) -> None:
        self._providers = providers

    def open(self, route: Route) -> OneAnswer:
        return self._providers[route.provider]


def test_states_are_written_down(workbench):
    workbench.backfill(MINI, OSS, analysis_count=1)
    workbench.wait()
    report = workbench.pipeline.poll()
    assert len(report.ended) == 2
    assert report.pending == 0
    rows = workbench.rows("SELECT status, completed_at IS NOT NULL, polled_at IS NOT NULL FROM tag_batches")
    assert rows == [("completed", True, True)] * 2


def test_what_is_still_under_way_stays_so(workbench):
    workbench.arm("slow_batch", seconds=1000)
    workbench.backfill(MINI, analysis_count=1)
    report = workbench.pipeline.poll()
    assert (report.pending, report.ended) == (1, ())
    assert workbench.rows("SELECT status, completed_at FROM tag_batches") == [("submitted", None)]


def test_a_state_that_nobody_knows_is_shown_and_left(workbench):
    workbench.backfill(MINI, analysis_count=1)
    (submission,) = workbench.rows("SELECT submission FROM tag_batches")[0]
    answer = OneAnswer(BatchState("submitted", "pondering"))
    pending = [PendingBatch(submission, Route("openai"), "batch_1")]
    report = fetch_states(pending, FakeProviders({"openai": answer}), Deadline.after(5))
    assert report.states[submission].provider_status == "pondering"
    assert report.pending == 1


def test_a_provider_that_is_down_spoils_nobody_else(workbench):
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


def test_a_provider_that_hangs_is_given_up_on():
    providers = {
        "slow": OneAnswer(BatchState("completed", "done"), 30),
        "fast": OneAnswer(BatchState("completed", "x")),
    }
    pending = [PendingBatch(f"{name}{number}", Route(name), "id") for name in providers for number in range(6)]
    started = time.monotonic()
    report = fetch_states(pending, FakeProviders(providers), Deadline.after(0.5))
    assert time.monotonic() - started < 3
    assert sorted(report.ended) == [f"fast{number}" for number in range(6)]
    assert all("no response within" in reason for reason in report.failures.values())
    assert len(report.failures) == 6


def test_an_answer_that_makes_no_sense_is_told_and_does_no_harm():
    answers = {"odd": OneAnswer(KeyError("status")), "lost": OneAnswer(ProviderUncertain("lost", "no answer in time"))}
    pending = [PendingBatch(name, Route(name), "id") for name in answers]
    report = fetch_states(pending, FakeProviders(answers), Deadline.after(5))
    assert report.unreachable
    assert report.failures == {
        "odd": "odd: unexpected response (KeyError)",
        "lost": "lost: no answer in time",
    }


def test_nothing_to_poll_is_not_unreachable():
    assert not PollReport().unreachable
