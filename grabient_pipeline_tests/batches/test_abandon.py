"""A person can let go of a batch; results that arrive later are still stored."""

from __future__ import annotations

import pytest

from grabient_pipeline.batches.abandon import abandonable
from grabient_pipeline.batches.submission_lock import hold_submission
from grabient_pipeline.errors import UnknownBatchError
from grabient_pipeline_tests.catalogue import MODELS

PALETTES = 3
each_provider = pytest.mark.parametrize("key", MODELS)


def abandon(workbench, *names):
    names = names or [name for (name,) in workbench.rows("SELECT submission FROM tag_batches")]
    return workbench.pipeline.abandon(abandonable(workbench.pipeline.warehouse, names))


class TestAbandon:
    @each_provider
    def test_its_requests_are_free_and_its_cost_stays_outstanding(self, workbench, key):
        workbench.arm("slow_batch", key)
        workbench.backfill(MODELS[key], analysis_count=1)
        outstanding = workbench.pipeline.status().outstanding_usd
        workbench.arm("batch_gone", key)
        workbench.pipeline.poll()
        assert abandon(workbench) == PALETTES
        assert workbench.states() == {"released": PALETTES}
        assert workbench.value("SELECT count(*) FROM request_claims") == 0
        assert workbench.pipeline.status().outstanding_usd == outstanding > 0
        assert workbench.backfill(MODELS[key], analysis_count=1).request_count == PALETTES

    def test_its_cost_counts_until_the_window_ends(self, workbench):
        workbench.arm("slow_batch", "openai")
        workbench.backfill(MODELS["openai"], analysis_count=1)
        abandon(workbench)
        ((submitted, until),) = workbench.rows("SELECT submitted_at, outstanding_until FROM tag_batches")
        assert (until - submitted).total_seconds() == 24 * 3600
        workbench.rows("UPDATE tag_batches SET outstanding_until = now()")
        status = workbench.pipeline.status()
        assert (status.outstanding_usd, status.open_batches) == (0, ())

    @each_provider
    def test_results_that_turn_up_are_taken_in(self, workbench, key):
        workbench.backfill(MODELS[key], analysis_count=1)
        abandon(workbench)
        workbench.settle()
        assert workbench.value("SELECT count(*) FROM tag_responses WHERE outcome = 'succeeded'") >= PALETTES - 1
        usable = workbench.value("SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL")
        assert workbench.states().get("succeeded", 0) == usable
        assert workbench.value("SELECT count(*) FROM tag_batches WHERE collected_at IS NOT NULL") == 1
        assert workbench.backfill(MODELS[key], analysis_count=1).request_count == PALETTES - usable
        assert workbench.pipeline.status().cost_usd > 0

    def test_nobody_waits_for_it(self, workbench):
        workbench.arm("slow_batch", "openai")
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.arm("batch_gone", "openai")
        abandon(workbench)
        report = workbench.pipeline.poll()
        assert (report.pending, report.failures) == (0, {})

    @each_provider
    def test_one_that_may_not_exist(self, workbench, key):
        workbench.arm("create_then_drop", key, times=1)
        workbench.backfill(MODELS[key], analysis_count=1)
        assert workbench.rows("SELECT status FROM tag_batches") == [("reserved",)]
        assert abandon(workbench) == PALETTES
        workbench.wait()
        report = workbench.pipeline.reconcile(margin_seconds=0)
        assert len(report.adopted) == 1
        assert workbench.rows("SELECT status, batch_id IS NOT NULL FROM tag_batches") == [("abandoned", True)]
        workbench.settle()
        assert workbench.value("SELECT count(*) FROM palette_tags") == PALETTES

    def test_one_that_is_being_sent_is_refused(self, workbench):
        workbench.arm("create_then_drop", "openai", times=1)
        submission = workbench.backfill(MODELS["openai"], analysis_count=1).batches[0].submission
        with (
            hold_submission(workbench.pipeline.workspace.spool, submission),
            pytest.raises(UnknownBatchError, match="being submitted right now"),
        ):
            abandon(workbench)
        assert workbench.states() == {"in_flight": PALETTES}

    def test_one_that_is_collected_is_refused(self, workbench):
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.settle()
        with pytest.raises(UnknownBatchError, match="nothing to give up"):
            abandon(workbench)

    def test_what_is_stored_already_is_kept(self, workbench):
        workbench.backfill(MODELS["openai"], analysis_count=2)
        workbench.wait()
        workbench.pipeline.poll()
        workbench.arm("short_download", "openai", share=0.5)
        workbench.pipeline.collect()
        kept = workbench.value("SELECT count(*) FROM palette_tags")
        assert abandon(workbench) == PALETTES
        assert workbench.value("SELECT count(*) FROM palette_tags") == kept == PALETTES


class TestAdvice:
    def test_a_batch_that_is_not_found_shows_since_when(self, workbench):
        workbench.arm("slow_batch", "openai")
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.arm("batch_gone", "openai", times=2)
        workbench.pipeline.poll()
        (first,) = workbench.pipeline.status().open_batches
        workbench.pipeline.poll()
        (second,) = workbench.pipeline.status().open_batches
        assert "HTTP 404" in first.trouble
        assert first.trouble_since == second.trouble_since is not None
        workbench.pipeline.poll()
        (third,) = workbench.pipeline.status().open_batches
        assert (third.trouble, third.trouble_since) == (None, None)

    @each_provider
    def test_a_second_cancellation_says_how_to_let_go(self, workbench, key):
        workbench.arm("slow_batch", key)
        workbench.arm("stuck_cancelling", key)
        workbench.backfill(MODELS[key], analysis_count=1)
        workbench.pipeline.cancel()
        (outcome,) = workbench.pipeline.cancel()
        assert "grabient abandon" in outcome.error
