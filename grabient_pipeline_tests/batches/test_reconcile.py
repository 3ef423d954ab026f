"""A batch whose creation was not answered is found and adopted, or released; nothing is paid for twice."""

from __future__ import annotations

import datetime as dt
import threading
from contextlib import contextmanager

import pytest

from grabient_pipeline.batches import submit
from grabient_pipeline.batches.reconcile import reconcile
from grabient_pipeline.batches.submission_lock import (
    SubmissionInProgress,
    hold_if_idle,
    hold_submissions,
    mark_creation_attempt,
)
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.providers.base import Route
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
        for lock in workbench.settings.spool_dir.glob("*.lock"):
            lock.unlink()
        assert not workbench.pipeline.reconcile(margin_seconds=900).released
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET created_at = now() - INTERVAL 5 HOURS")
        assert workbench.pipeline.reconcile(margin_seconds=900).released

    def test_a_submission_in_progress_is_left_alone(self, workbench):
        """A large upload may take longer than any margin."""
        reserve_without_sending(workbench, "openai")
        submission = workbench.value("SELECT submission FROM tag_batches")
        with hold_submissions(workbench.settings.spool_dir, [submission]):
            mark_creation_attempt(workbench.settings.spool_dir, submission)
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


class TestConcurrentSubmission:
    def test_a_submission_that_was_released_before_it_was_sent_is_not_sent(self, workbench, monkeypatch):
        """Another process may reconcile between the reservation and its lock."""

        @contextmanager
        def release_then_hold(spool_dir, submissions):
            submissions = list(submissions)
            assert workbench.pipeline.reconcile(margin_seconds=0).released
            with hold_submissions(spool_dir, submissions):
                yield

        with monkeypatch.context() as patched:
            patched.setattr(submit, "hold_submissions", release_then_hold)
            report = workbench.backfill(MODELS["openai"], analysis_count=1)
        assert report.batches == ()
        assert not workbench.provider_batches()
        assert workbench.backfill(MODELS["openai"], analysis_count=1).request_count == PALETTES

    def test_a_process_that_waited_for_the_lock_excludes_others(self, workbench):
        spool_dir = workbench.settings.spool_dir
        started, finish = threading.Event(), threading.Event()

        def send():
            with hold_submissions(spool_dir, ["token"]):
                mark_creation_attempt(spool_dir, "token")
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
