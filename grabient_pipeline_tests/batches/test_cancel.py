"""Cancelling keeps finished responses and releases the other requests."""

from __future__ import annotations

import pytest

from grabient_pipeline.errors import UnknownBatchError
from grabient_pipeline_tests.catalogue import MODELS

PALETTES = 3
each_provider = pytest.mark.parametrize("key", MODELS)


class TestCancel:
    @each_provider
    def test_finished_responses_are_kept_and_the_rest_is_requested_again(self, workbench, key):
        workbench.arm("slow_batch", key, times=1, seconds=0.6)
        workbench.backfill(MODELS[key], analysis_count=4)
        (cancelled,) = workbench.pipeline.cancel()
        assert cancelled.error is None
        workbench.settle()
        states = workbench.states()
        assert sum(states.values()) == PALETTES * 4
        assert "in_flight" not in states
        before = workbench.provider_batches()
        again = workbench.backfill(MODELS[key], analysis_count=4)
        assert again.request_count == PALETTES * 4 - states.get("succeeded", 0)
        assert len(workbench.provider_batches()) == len(before) + bool(again.request_count)
        workbench.settle()
        assert workbench.billed_twice()[key] == 0

    @pytest.mark.parametrize("place", [0, 1], ids=["submission", "batch id"])
    def test_a_batch_is_cancelled_by_submission_or_batch_id(self, workbench, place):
        workbench.arm("slow_batch")
        workbench.backfill(MODELS["openai"], MODELS["groq"], analysis_count=1)
        (names,) = workbench.rows("SELECT submission, batch_id FROM tag_batches WHERE provider = 'groq'")
        name = names[place]
        (cancelled,) = workbench.pipeline.cancel([name])
        assert cancelled.provider == "groq"
        states = {batch.provider: batch.cancelled for batch in workbench.provider_batches()}
        assert states["groq"] is not None
        assert states["openai"] is None

    @each_provider
    def test_a_batch_that_has_just_ended_is_collected_as_completed(self, workbench, key):
        workbench.backfill(MODELS[key], analysis_count=1)
        workbench.wait()
        (outcome,) = workbench.pipeline.cancel()
        assert outcome.error is None
        assert outcome.state is not None
        assert outcome.state.status == "completed"
        workbench.pipeline.collect()
        assert sum(workbench.states().values()) == PALETTES
        assert "released" not in workbench.states()

    def test_a_batch_that_may_not_exist_cannot_be_cancelled(self, workbench):
        workbench.arm("create_then_500", "openai", times=1)
        submission = workbench.backfill(MODELS["openai"], analysis_count=1).batches[0].submission
        (outcome,) = workbench.pipeline.cancel([submission])
        assert "grabient reconcile" in (outcome.error or "")

    def test_an_unknown_name_is_rejected(self, workbench):
        with pytest.raises(UnknownBatchError, match="no batch 'x'"):
            workbench.pipeline.cancel(["x"])

    def test_a_provider_that_is_down_does_not_affect_the_others(self, workbench):
        workbench.arm("slow_batch")
        workbench.backfill(MODELS["openai"], MODELS["groq"], analysis_count=1)
        workbench.arm("down", "openai")
        outcomes = {outcome.provider: outcome for outcome in workbench.pipeline.cancel()}
        assert outcomes["openai"].error
        assert outcomes["groq"].error is None
