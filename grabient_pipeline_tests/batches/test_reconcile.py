"""What a crash or a lost answer left behind is found again, or released; and nothing is ever paid for twice."""

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

MODELS = {
    "anthropic": "anthropic/claude-3-5-haiku-20241022",
    "openai": "openai/gpt-4o-mini",
    "groq": "groq/openai/gpt-oss-20b",
    "google": "google/gemini-2.5-flash-lite",
}
PALETTES = 3
each_provider = pytest.mark.parametrize("key", MODELS)
lost_answers = pytest.mark.parametrize("fault", ["create_then_500", "create_then_drop"])


def lose(workbench, key, fault="create_then_500"):
    """Let the answer to a creation get lost; the submission that is reserved then."""
    workbench.arm(fault, key, times=1)
    report = workbench.backfill(MODELS[key], analysis_count=1)
    assert len(report.batches) == 1
    assert report.batches[0].batch_id is None
    assert workbench.value("SELECT status FROM tag_batches") == "reserved"
    return report.batches[0].submission


def never_arrive(workbench, key):
    """Reserve something that is never sent, as after a crash before the creation."""
    workbench.arm("refuse", key, times=1, status=500)
    workbench.backfill(MODELS[key], analysis_count=1)
    assert workbench.value("SELECT status FROM tag_batches") == "reserved"
    assert not workbench.batches_there()


class TestAdoption:
    @each_provider
    @lost_answers
    def test_a_batch_whose_answer_got_lost_is_found_and_paid_for_once(self, workbench, key, fault):
        submission = lose(workbench, key, fault)
        workbench.wait()
        report = workbench.pipeline.reconcile(margin_seconds=0)
        (found,) = report.adopted
        assert found.submission == submission
        assert not report.released
        status, batch_id, evidence = workbench.rows("SELECT status, batch_id, evidence FROM tag_batches")[0]
        assert (status, batch_id) == ("submitted", found.batch_id)
        assert evidence.startswith("adopted: ")

        workbench.settle()
        assert sum(workbench.states().values()) == PALETTES
        assert workbench.backfill(MODELS[key], analysis_count=1).request_count == workbench.states().get("failed", 0)
        assert workbench.billed_twice()[key] == 0

    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_it_is_found_while_it_runs(self, workbench, key):
        workbench.arm("slow_batch", key)
        lose(workbench, key)
        assert len(workbench.pipeline.reconcile(margin_seconds=0).adopted) == 1

    def test_anthropics_is_kept_in_sight_while_it_runs_and_adopted_when_it_has_ended(self, workbench):
        """Only its results tell whose it is. Until then the evidence is weak, and shown as such."""
        workbench.arm("slow_batch", "anthropic", times=1)
        lose(workbench, "anthropic")
        (waiting,) = workbench.pipeline.reconcile(margin_seconds=0).waiting
        (there,) = workbench.batches_there()
        assert f"{there.id} may be" in waiting.evidence
        assert there.id in workbench.value("SELECT evidence FROM tag_batches")
        (open_batch,) = workbench.pipeline.status().open_batches
        assert open_batch.status == "reserved"

        workbench.pipeline.workspace.providers.open(Route("anthropic")).cancel(there.id)
        there.seconds = 0
        workbench.wait()
        assert workbench.pipeline.reconcile(margin_seconds=0).adopted[0].batch_id == there.id

    def test_anothers_batch_is_never_adopted(self, workbench):
        """Two submissions of the same size that end at the same time: each finds its own."""
        workbench.arm("create_then_500", "anthropic", times=2)
        first = workbench.backfill(MODELS["anthropic"], analysis_count=1).batches[0].submission
        second = workbench.backfill("anthropic/claude-haiku-4-5-20251001", analysis_count=1).batches[0].submission
        workbench.wait()
        adopted = {found.submission: found.batch_id for found in workbench.pipeline.reconcile(margin_seconds=0).adopted}
        prefixes = {batch.id: batch.custom_id_prefix for batch in workbench.batches_there()}
        assert set(adopted) == {first, second}
        assert all(prefixes[batch_id].startswith(f"{submission}_") for submission, batch_id in adopted.items())

    def test_a_poll_on_the_command_line_and_the_sensor_look_for_it_too(self, workbench):
        lose(workbench, "openai")
        workbench.wait()
        workbench.pipeline.reconcile()
        workbench.settle()
        assert workbench.value("SELECT collected_at IS NOT NULL FROM tag_batches")


class TestRelease:
    @each_provider
    def test_what_is_certainly_not_there_is_free_again_after_the_margin(self, workbench, key):
        never_arrive(workbench, key)
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
        assert workbench.requests_there() == PALETTES

    def test_the_margin_counts_from_when_it_may_have_been_made(self, workbench):
        """A reservation may have waited for hours behind others before it was sent."""
        never_arrive(workbench, "openai")
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET created_at = now() - INTERVAL 5 HOURS")
        assert not workbench.pipeline.reconcile(margin_seconds=900).released

    def test_what_nobody_began_to_send_counts_from_its_reservation(self, workbench):
        never_arrive(workbench, "openai")
        for lock in workbench.settings.spool_dir.glob("*.lock"):
            lock.unlink()
        assert not workbench.pipeline.reconcile(margin_seconds=900).released
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET created_at = now() - INTERVAL 5 HOURS")
        assert workbench.pipeline.reconcile(margin_seconds=900).released

    def test_what_is_being_sent_is_left_alone(self, workbench):
        """A large upload takes longer than any margin."""
        never_arrive(workbench, "openai")
        submission = workbench.value("SELECT submission FROM tag_batches")
        with hold_submissions(workbench.settings.spool_dir, [submission]):
            mark_creation_attempt(workbench.settings.spool_dir, submission)
            report = workbench.pipeline.reconcile(margin_seconds=0)
            assert (report.adopted, report.released, report.waiting, report.failures) == ((), (), (), {})
        assert workbench.pipeline.reconcile(margin_seconds=0).released

    @pytest.mark.parametrize("fault", ["down", "hang"])
    def test_a_provider_that_does_not_answer_is_no_proof(self, workbench, fault):
        never_arrive(workbench, "openai")
        workbench.arm(fault, "openai")
        report = reconcile(workbench.pipeline.workspace, Deadline.after(1), margin_seconds=0)
        assert len(report.failures) == 1
        assert workbench.states() == {"in_flight": PALETTES}

    def test_a_batch_that_may_be_ours_is_no_proof(self, workbench):
        workbench.arm("slow_batch", "anthropic")
        lose(workbench, "anthropic")
        for _ in range(3):
            assert not workbench.pipeline.reconcile(margin_seconds=0).released
        assert workbench.states() == {"in_flight": PALETTES}


class TestSomebodySends:
    def test_what_was_released_before_it_was_sent_is_not_sent(self, workbench, monkeypatch):
        """Between the reservation and its lock somebody may look for it, in a hurry."""

        @contextmanager
        def late(spool_dir, submissions):
            submissions = list(submissions)
            assert workbench.pipeline.reconcile(margin_seconds=0).released
            with hold_submissions(spool_dir, submissions):
                yield

        with monkeypatch.context() as patched:
            patched.setattr(submit, "hold_submissions", late)
            report = workbench.backfill(MODELS["openai"], analysis_count=1)
        assert report.batches == ()
        assert not workbench.batches_there()
        assert workbench.backfill(MODELS["openai"], analysis_count=1).request_count == PALETTES

    def test_who_waited_for_the_lock_holds_the_one_that_others_see(self, workbench):
        spool_dir = workbench.settings.spool_dir
        begun, done = threading.Event(), threading.Event()

        def send():
            with hold_submissions(spool_dir, ["token"]):
                mark_creation_attempt(spool_dir, "token")
                begun.set()
                done.wait(20)

        thread = threading.Thread(target=send)
        with hold_if_idle(spool_dir, "token"):
            thread.start()
        try:
            assert begun.wait(20)
            with pytest.raises(SubmissionInProgress), hold_if_idle(spool_dir, "token"):
                pass
        finally:
            done.set()
            thread.join()


def test_nothing_is_lost_where_nothing_is_reserved(workbench):
    workbench.backfill(MODELS["openai"], analysis_count=1)
    report = workbench.pipeline.reconcile(margin_seconds=0)
    assert (report.adopted, report.released, report.waiting) == ((), (), ())
    assert not list(workbench.settings.spool_dir.glob("*.lock"))


def test_the_reservation_is_older_than_its_batch(workbench):
    """The search begins at the reservation, so its time must not be after the batch's."""
    lose(workbench, "google")
    (there,) = workbench.batches_there()
    created_at = workbench.value("SELECT created_at FROM tag_batches")
    assert created_at <= dt.datetime.fromtimestamp(there.created, dt.UTC)
