"""A batch whose creation was not answered is found and adopted, or released; nothing is paid for twice."""

from __future__ import annotations

import datetime as dt
import os
import threading
from contextlib import contextmanager

import pytest

from grabient_pipeline.batches import ledger, submit
from grabient_pipeline.batches.reconcile import reconcile
from grabient_pipeline.batches.submission_lock import (
    SubmissionInProgress,
    hold_if_idle,
    hold_submission,
    mark_creation_attempt,
)
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.providers.base import Route
from grabient_pipeline.providers.transport.clock import Moment
from grabient_pipeline_tests.catalogue import MODELS

PALETTES = 3
each_provider = pytest.mark.parametrize("key", MODELS)
each_lost_response = pytest.mark.parametrize("fault", ["create_then_500", "create_then_drop"])


def lose_creation_response(workbench, key, fault="create_then_500"):
    """Lose the response to a creation; return the submission, which stays reserved."""
    workbench.arm(fault, key, times=1)
    report = workbench.backfill(MODELS[key], analysis_count=1)
    assert len(report.batches) == 1
    assert report.batches[0].batch_id is None
    assert workbench.value("SELECT status FROM tag_batches") == "reserved"
    return report.batches[0].submission


def reserve_without_sending(workbench, key):
    """Reserve a batch that the provider never gets, as after a crash before the creation."""
    workbench.arm("refuse", key, times=1, status=500)
    workbench.backfill(MODELS[key], analysis_count=1)
    assert workbench.value("SELECT status FROM tag_batches") == "reserved"
    assert not workbench.provider_batches()


def forget_attempts(workbench):
    """Delete what records that a creation was attempted."""
    for path in (*workbench.settings.spool_dir.glob("*.lock"), *workbench.settings.spool_dir.glob("*.attempt")):
        path.unlink()


def update_batches(workbench, assignments):
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute(f"UPDATE tag_batches SET {assignments}")  # noqa: S608


class TestAdoption:
    @each_provider
    @each_lost_response
    def test_a_batch_whose_creation_was_not_answered_is_found_and_paid_for_once(self, workbench, key, fault):
        submission = lose_creation_response(workbench, key, fault)
        workbench.wait()
        report = workbench.pipeline.reconcile(margin_seconds=0)
        (entry,) = report.adopted
        assert entry.submission == submission
        assert not report.released
        status, batch_id, evidence = workbench.rows("SELECT status, batch_id, evidence FROM tag_batches")[0]
        assert (status, batch_id) == ("submitted", entry.batch_id)
        assert evidence.startswith("adopted: ")

        workbench.settle()
        assert sum(workbench.states().values()) == PALETTES
        assert workbench.backfill(MODELS[key], analysis_count=1).request_count == workbench.states().get("failed", 0)
        assert workbench.billed_twice()[key] == 0

    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_a_running_batch_is_found(self, workbench, key):
        workbench.arm("slow_batch", key)
        lose_creation_response(workbench, key)
        assert len(workbench.pipeline.reconcile(margin_seconds=0).adopted) == 1

    def test_an_anthropic_batch_is_a_candidate_while_it_runs_and_adopted_when_it_has_ended(self, workbench):
        """Only its results identify the submission. Until then the evidence is weak, and is shown."""
        workbench.arm("slow_batch", "anthropic", times=1)
        lose_creation_response(workbench, "anthropic")
        (waiting,) = workbench.pipeline.reconcile(margin_seconds=0).waiting
        (batch,) = workbench.provider_batches()
        assert f"{batch.id} may be" in waiting.evidence
        assert batch.id in workbench.value("SELECT evidence FROM tag_batches")
        (open_batch,) = workbench.pipeline.status().open_batches
        assert open_batch.status == "reserved"

        workbench.pipeline.workspace.providers.open(Route("anthropic")).cancel(batch.id)
        batch.seconds = 0
        workbench.wait()
        assert workbench.pipeline.reconcile(margin_seconds=0).adopted[0].batch_id == batch.id

    def test_the_batch_of_another_submission_is_never_adopted(self, workbench):
        """Two submissions of equal size end at the same time, and each finds its own batch."""
        workbench.arm("create_then_500", "anthropic", times=2)
        first = workbench.backfill(MODELS["anthropic"], analysis_count=1).batches[0].submission
        second = workbench.backfill("anthropic/claude-haiku-4-5-20251001", analysis_count=1).batches[0].submission
        workbench.wait()
        adopted = {entry.submission: entry.batch_id for entry in workbench.pipeline.reconcile(margin_seconds=0).adopted}
        prefixes = {each.id: each.custom_id_prefix for each in workbench.provider_batches()}
        assert set(adopted) == {first, second}
        assert all(prefixes[batch_id].startswith(f"{submission}_") for submission, batch_id in adopted.items())

    def test_an_adopted_batch_is_polled_and_collected(self, workbench):
        lose_creation_response(workbench, "openai")
        workbench.wait()
        workbench.pipeline.reconcile()
        workbench.settle()
        assert workbench.value("SELECT collected_at IS NOT NULL FROM tag_batches")


class TestRelease:
    @each_provider
    def test_a_submission_that_no_provider_has_is_released_after_the_margin(self, workbench, key):
        reserve_without_sending(workbench, key)
        early = workbench.pipeline.reconcile(margin_seconds=900)
        assert not early.released
        assert "it is looked for during another" in early.waiting[0].evidence
        assert workbench.states() == {"in_flight": PALETTES}

        (released,) = workbench.pipeline.reconcile(margin_seconds=0).released
        assert released.batch_id is None
        status, evidence = workbench.rows("SELECT status, evidence FROM tag_batches")[0]
        assert status == "released"
        assert evidence.startswith("released: ")
        assert "none of them" in evidence
        assert workbench.backfill(MODELS[key], analysis_count=1).request_count == PALETTES
        assert workbench.provider_request_count() == PALETTES

    def test_the_margin_counts_from_the_creation_attempt(self, workbench):
        """A reservation may have waited for hours behind others before it was sent."""
        reserve_without_sending(workbench, "openai")
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET created_at = now() - INTERVAL 5 HOURS")
        assert not workbench.pipeline.reconcile(margin_seconds=900).released

    def test_without_a_creation_attempt_the_margin_counts_from_the_reservation(self, workbench):
        reserve_without_sending(workbench, "openai")
        forget_attempts(workbench)
        assert not workbench.pipeline.reconcile(margin_seconds=900).released
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET created_at = now() - INTERVAL 5 HOURS")
        assert workbench.pipeline.reconcile(margin_seconds=900).released

    def test_a_submission_in_progress_is_left_alone(self, workbench):
        """A large upload may take longer than any margin."""
        reserve_without_sending(workbench, "openai")
        submission = workbench.value("SELECT submission FROM tag_batches")
        with hold_submission(workbench.settings.spool_dir, submission):
            mark_creation_attempt(workbench.settings.spool_dir, submission, Moment.now(dt.timedelta(0)))
            report = workbench.pipeline.reconcile(margin_seconds=0)
            assert (report.adopted, report.released, report.waiting, report.failures) == ((), (), (), {})
        assert workbench.pipeline.reconcile(margin_seconds=0).released

    @pytest.mark.parametrize("fault", ["down", "hang"])
    def test_an_unreachable_provider_releases_nothing(self, workbench, fault):
        reserve_without_sending(workbench, "openai")
        workbench.arm(fault, "openai")
        report = reconcile(workbench.pipeline.workspace, Deadline.after(1), margin_seconds=0)
        assert len(report.failures) == 1
        assert workbench.states() == {"in_flight": PALETTES}

    def test_a_candidate_batch_prevents_a_release(self, workbench):
        workbench.arm("slow_batch", "anthropic")
        lose_creation_response(workbench, "anthropic")
        for _ in range(3):
            assert not workbench.pipeline.reconcile(margin_seconds=0).released
        assert workbench.states() == {"in_flight": PALETTES}


class TestClocks:
    """This machine's clock may be wrong, or set between two steps; the provider's decides."""

    @each_provider
    def test_the_offset_of_the_clocks_is_recorded_with_the_reservation(self, workbench, key):
        workbench.backfill(MODELS[key], analysis_count=1)
        assert abs(workbench.value("SELECT clock_offset_seconds FROM tag_batches")) < 3

    def test_direct_calls_have_the_clock_of_this_machine(self, workbench):
        workbench.backfill(MODELS["openai"], analysis_count=1, direct=True)
        assert workbench.value("SELECT clock_offset_seconds FROM tag_batches") == 0

    @each_provider
    @pytest.mark.parametrize("offset", ["clock_offset_seconds - 3 * 3600", "NULL"], ids=["measured", "not measured"])
    def test_a_batch_is_found_although_the_clock_here_was_ahead(self, workbench, key, offset):
        lose_creation_response(workbench, key)
        workbench.wait()
        update_batches(workbench, f"created_at = created_at + INTERVAL 3 HOURS, clock_offset_seconds = {offset}")
        assert len(workbench.pipeline.reconcile(margin_seconds=0).adopted) == 1

    @pytest.mark.parametrize(("offset", "period"), [("0", "since 20"), ("NULL", "ever")])
    @each_provider
    def test_the_evidence_says_what_was_listed(self, workbench, key, offset, period):
        reserve_without_sending(workbench, key)
        update_batches(workbench, f"clock_offset_seconds = {offset}")
        workbench.pipeline.reconcile(margin_seconds=0)
        assert f"0 batches {period}" in workbench.value("SELECT evidence FROM tag_batches")

    @pytest.mark.parametrize(("hours", "minutes", "released"), [(-5, 0, False), (5, 20, True)], ids=["forward", "back"])
    def test_a_clock_that_was_set_does_not_change_the_margin(self, workbench, hours, minutes, released):
        """The batch may have been created some minutes ago; the clock here was off by hours then and is right now."""
        reserve_without_sending(workbench, "openai")
        then = Moment(dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours, minutes=-minutes), dt.timedelta(hours=-hours))
        submission = workbench.value("SELECT submission FROM tag_batches")
        mark_creation_attempt(workbench.settings.spool_dir, submission, then)
        assert bool(workbench.pipeline.reconcile(margin_seconds=900).released) is released

    def test_without_a_measurement_the_margin_counts_from_the_first_lookup(self, workbench):
        reserve_without_sending(workbench, "openai")
        update_batches(workbench, "created_at = now() - INTERVAL 5 HOURS, clock_offset_seconds = NULL")
        forget_attempts(workbench)
        assert not workbench.pipeline.reconcile(margin_seconds=900).released
        first = workbench.value("SELECT looked_for_at FROM tag_batches")
        assert not workbench.pipeline.reconcile(margin_seconds=900).released
        assert workbench.value("SELECT looked_for_at FROM tag_batches") == first
        update_batches(workbench, "looked_for_at = now() - INTERVAL 16 MINUTES")
        assert workbench.pipeline.reconcile(margin_seconds=900).released

    @pytest.mark.parametrize("content", [None, b"", b"[]", b'{"at": "yesterday"}'], ids=repr)
    def test_an_attempt_without_a_readable_record_is_not_measured(self, workbench, content):
        """Its process took the lock and died, or was one of an earlier version."""
        reserve_without_sending(workbench, "openai")
        (lock,) = workbench.settings.spool_dir.glob("*.lock")
        (record,) = workbench.settings.spool_dir.glob("*.attempt")
        record.unlink() if content is None else record.write_bytes(content)
        os.utime(lock, (0, 0))
        assert not workbench.pipeline.reconcile(margin_seconds=900).released
        update_batches(workbench, "looked_for_at = now() - INTERVAL 16 MINUTES")
        assert workbench.pipeline.reconcile(margin_seconds=900).released
        assert not list(workbench.settings.spool_dir.iterdir())


class TestKnownIds:
    def test_a_batch_that_another_submission_has_is_not_adopted(self, workbench):
        lost = lose_creation_response(workbench, "openai")
        (batch,) = workbench.provider_batches()
        (other,) = workbench.backfill("openai/gpt-5-nano", analysis_count=1).batches
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET batch_id = ? WHERE submission = ?", [batch.id, other.submission])
        report = workbench.pipeline.reconcile(margin_seconds=0)
        assert (report.adopted, report.released, report.failures) == ((), (), {})
        assert f"the id of batch {batch.id}, which the ledger has already" in report.waiting[0].evidence
        row = "SELECT status, batch_id, evidence FROM tag_batches WHERE submission = $1"
        assert workbench.rows(row, [lost]) == [("reserved", None, report.waiting[0].evidence)]


class TestAbandoned:
    """A batch that a person gave up before its provider responded may exist all the same."""

    @each_provider
    def test_it_is_found_and_stays_abandoned(self, workbench, key):
        lose_creation_response(workbench, key)
        update_batches(workbench, "status = 'abandoned', error = 'given up'")
        workbench.wait()
        (entry,) = workbench.pipeline.reconcile(margin_seconds=0).adopted
        assert workbench.rows("SELECT status, batch_id, error FROM tag_batches") == [
            ("abandoned", entry.batch_id, "given up")
        ]
        assert not workbench.pipeline.reconcile(margin_seconds=0).changed

    def test_it_is_released_if_it_is_certainly_not_there(self, workbench):
        reserve_without_sending(workbench, "openai")
        update_batches(workbench, "status = 'abandoned'")
        assert len(workbench.pipeline.reconcile(margin_seconds=0).released) == 1
        assert workbench.value("SELECT status FROM tag_batches") == "released"

    @pytest.mark.parametrize("fault", [None, "down"], ids=["answered", "unreachable"])
    def test_it_is_looked_for_once_a_day(self, workbench, fault):
        reserve_without_sending(workbench, "openai")
        update_batches(workbench, "status = 'abandoned'")
        if fault:
            workbench.arm(fault, "openai")
        first = workbench.pipeline.reconcile(margin_seconds=900)
        assert first.waiting or first.failures
        calls = len(workbench.server.sandbox.requests)
        again = workbench.pipeline.reconcile(margin_seconds=900)
        assert (again.waiting, again.failures) == ((), {})
        assert len(workbench.server.sandbox.requests) == calls
        update_batches(workbench, "looked_for_at = now() - INTERVAL 25 HOURS")
        again = workbench.pipeline.reconcile(margin_seconds=900)
        assert again.waiting or again.failures

    def test_it_is_not_looked_for_when_its_results_are_no_longer_kept(self, workbench):
        lose_creation_response(workbench, "openai")
        update_batches(workbench, "status = 'abandoned', created_at = now() - INTERVAL 31 DAYS")
        assert not workbench.pipeline.reconcile(margin_seconds=0).changed

    def test_a_response_that_arrives_late_is_recorded(self, workbench):
        reserve_without_sending(workbench, "openai")
        update_batches(workbench, "status = 'abandoned'")
        submission = workbench.value("SELECT submission FROM tag_batches")
        ledger.record_submitted(workbench.pipeline.warehouse, submission, "batch_late")
        assert workbench.rows("SELECT status, batch_id FROM tag_batches") == [("abandoned", "batch_late")]


class TestConcurrentSubmission:
    def test_a_submission_that_was_released_before_it_was_sent_is_not_sent(self, workbench, monkeypatch):
        """Another process may reconcile between the reservation and its lock."""

        @contextmanager
        def release_then_hold(spool_dir, submission):
            assert workbench.pipeline.reconcile(margin_seconds=0).released
            with hold_submission(spool_dir, submission):
                yield

        with monkeypatch.context() as patched:
            patched.setattr(submit, "hold_submission", release_then_hold)
            report = workbench.backfill(MODELS["openai"], analysis_count=1)
        assert report.batches == ()
        assert not workbench.provider_batches()
        assert workbench.backfill(MODELS["openai"], analysis_count=1).request_count == PALETTES

    def test_a_process_that_waited_for_the_lock_excludes_others(self, workbench):
        spool_dir = workbench.settings.spool_dir
        started, finish = threading.Event(), threading.Event()

        def send():
            with hold_submission(spool_dir, "token"):
                mark_creation_attempt(spool_dir, "token", Moment.now(None))
                started.set()
                finish.wait(20)

        thread = threading.Thread(target=send)
        with hold_if_idle(spool_dir, "token"):
            thread.start()
        try:
            assert started.wait(20)
            with pytest.raises(SubmissionInProgress), hold_if_idle(spool_dir, "token"):
                pass
        finally:
            finish.set()
            thread.join()


def test_without_reservations_there_is_nothing_to_reconcile(workbench):
    workbench.backfill(MODELS["openai"], analysis_count=1)
    report = workbench.pipeline.reconcile(margin_seconds=0)
    assert (report.adopted, report.released, report.waiting) == ((), (), ())
    assert not list(workbench.settings.spool_dir.glob("*.lock"))


def test_a_reservation_is_older_than_its_batch(workbench):
    """The lookup begins at the time of the reservation, which must not be later than the batch."""
    lose_creation_response(workbench, "google")
    (batch,) = workbench.provider_batches()
    created_at = workbench.value("SELECT created_at FROM tag_batches")
    assert created_at <= dt.datetime.fromtimestamp(batch.created, dt.UTC)
