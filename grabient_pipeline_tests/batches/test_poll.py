"""Polling records the states that the providers report; an unreachable provider does not affect the others."""

from __future__ import annotations

import time

import pytest

from grabient_pipeline.batches.poll import PendingBatch, PollReport, fetch_states, pending_batches
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


class ListingProvider(FakeProvider):
    """Has a list of batches as well, which shows some of them; counts the calls."""

    def __init__(
        self, shown=(), *, error: Exception | None = None, list_seconds: float = 0, seconds: float = 0
    ) -> None:
        super().__init__(BatchState("completed", "done"), seconds)
        self.shown, self.error, self.list_seconds = list(shown), error, list_seconds
        self.lists: list[int] = []
        self.asked: list[str] = []

    def poll(self, batch_id: str) -> BatchState:
        self.asked.append(batch_id)
        return super().poll(batch_id)

    def list_states(self, batch_ids):
        self.lists.append(len(batch_ids))
        for batch_id in self.shown:
            time.sleep(self.list_seconds)
            yield batch_id, BatchState("submitted", "running")
        if self.error:
            raise self.error


def pending_of(count, name="openai"):
    return [PendingBatch(f"{name}{number}", Route(name), f"id{number}") for number in range(count)]


def fetch(provider, count, seconds=5.0):
    return fetch_states(pending_of(count), FakeProviders({"openai": provider}), Deadline.after(seconds))


class TestList:
    def test_what_the_list_shows_is_not_asked_about_singly(self):
        provider = ListingProvider(f"id{number}" for number in range(90))
        report = fetch(provider, 100)
        assert provider.lists == [100]
        assert sorted(provider.asked) == [f"id{number}" for number in range(90, 100)]
        assert len(report.ended) == 10
        assert report.pending == 90

    def test_few_batches_are_asked_about_singly(self):
        provider = ListingProvider(["id0"])
        assert len(fetch(provider, 10).ended) == 10
        assert provider.lists == []

    @pytest.mark.parametrize("error", [ProviderUncertain("openai", "lost"), KeyError("id")])
    def test_single_calls_stand_in_for_a_list_that_fails(self, error):
        provider = ListingProvider(["id0"], error=error)
        report = fetch(provider, 30)
        assert len(provider.asked) == 29
        assert report.failures == {}
        assert len(report.states) == 30

    def test_single_calls_stand_in_for_a_list_that_hangs(self):
        provider = ListingProvider(["id0"], list_seconds=60)
        report = fetch(provider, 30, seconds=1)
        assert len(report.ended) == 30

    def test_a_list_that_comes_late_counts_once(self):
        provider = ListingProvider([f"id{number}" for number in range(30)], list_seconds=0.05, seconds=0.02)
        report = fetch(provider, 30, seconds=1)
        assert len(report.states) == 30


class TestFairness:
    def test_those_not_asked_about_for_longest_come_first(self, workbench):
        for count in (1, 2, 3):
            workbench.backfill(MINI, analysis_count=count)
        rows = workbench.rows("SELECT submission FROM tag_batches ORDER BY created_at")
        first, second, third = (submission for (submission,) in rows)
        for submission, polled_at in ((first, "2026-01-03"), (second, "2026-01-02")):
            with workbench.pipeline.warehouse.connect() as connection:
                connection.execute("UPDATE tag_batches SET polled_at = ? WHERE submission = ?", [polled_at, submission])
        pending = pending_batches(workbench.pipeline.warehouse)
        assert [batch.submission for batch in pending] == [third, second, first]

    def test_batches_whose_calls_fail_keep_no_others_waiting(self, workbench):
        for count in range(1, 9):
            workbench.backfill(MINI, analysis_count=count)
        rows = workbench.rows("SELECT submission FROM tag_batches ORDER BY created_at")
        submissions = [submission for (submission,) in rows]
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET polled_at = '2026-01-02'")
            for submission in submissions[:6]:
                connection.execute(
                    "UPDATE tag_batches SET trouble = 'gone', polled_at = NULL WHERE submission = ?", [submission]
                )
        orders = [[batch.submission for batch in pending_batches(workbench.pipeline.warehouse)] for _ in range(20)]
        for order in orders:
            assert [order[0], order[2]] == submissions[6:]
            assert sorted(order) == sorted(submissions)
        assert len({order[1] for order in orders}) > 1

    def test_what_there_was_no_time_for_is_postponed_and_no_failure(self):
        provider = ListingProvider(seconds=0.2)
        report = fetch(provider, 24, seconds=0.3)
        assert set(report.failures.values()) <= {"openai: no response within 0 s"}
        assert report.postponed
        assert report.pending + len(report.ended) == 24
        asked = len(report.states) + len(report.failures)
        assert report.postponed == {f"openai{number}" for number in range(asked, 24)}

    def test_three_polls_ask_about_every_batch(self):
        """Two batches of three are asked about at each poll."""
        last = {f"openai{number}": 0 for number in range(24)}
        for round_ in range(1, 4):
            pending = sorted(pending_of(24), key=lambda batch: last[batch.submission])
            provider = ListingProvider(seconds=0.2)
            report = fetch_states(pending, FakeProviders({"openai": provider}), Deadline.after(0.5))
            last.update(dict.fromkeys(report.states, round_))
        assert min(last.values()) > 0
