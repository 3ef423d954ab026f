"""A model whose batches cannot succeed is paused; what never ran is neither failed nor missing."""

from __future__ import annotations

import pytest

from grabient_pipeline_tests.catalogue import MODELS

PALETTES = 3
MINI = MODELS["openai"]
LIMIT = {"code": "billing_hard_limit_reached", "message": "Billing hard limit has been reached."}
FULL = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}


def run(workbench, *models):
    """Submit and settle; return how many requests were submitted."""
    requests = workbench.backfill(*models, analysis_count=1).request_count
    workbench.settle()
    return requests


class TestPausing:
    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_after_three_batches_that_failed_alike(self, workbench, key):
        workbench.arm("fail_batch", key, **LIMIT)
        for _ in range(3):
            assert workbench.pipeline.status().paused == ()
            assert run(workbench, MODELS[key]) == PALETTES
            assert set(workbench.states()) == {"released"}
        (paused,) = workbench.pipeline.status().paused
        assert paused.name == MODELS[key]
        assert "Billing hard limit" in paused.reason
        report = workbench.backfill(MODELS[key], analysis_count=1)
        assert report.request_count == 0
        assert "grabient resume" in report.left_out[0]
        assert workbench.pipeline.quarantined() == []

    @pytest.mark.parametrize("key", MODELS)
    @pytest.mark.parametrize("share", [0.0, 0.5])
    def test_after_three_batches_that_expired(self, workbench, key, share):
        workbench.arm("expire", key, share=share)
        rounds = [
            workbench.backfill(MODELS[key], analysis_count=8).request_count for _ in range(3) if workbench.settle()
        ]
        assert all(rounds)
        workbench.settle()
        assert len(workbench.pipeline.status().paused) == 1

    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_a_full_queue_makes_wait_and_does_not_pause(self, workbench, key):
        workbench.arm("fail_batch", key, **FULL)
        for _ in range(4):
            assert run(workbench, MODELS[key]) == PALETTES
            assert run(workbench, MODELS[key]) == 0
            workbench.rows("UPDATE refused_batches SET refused_at = refused_at - INTERVAL 2 DAYS")
        assert workbench.pipeline.status().paused == ()

    def test_different_reasons_do_not_pause(self, workbench):
        for code in ("billing_hard_limit_reached", "invalid_json_line", "billing_hard_limit_reached"):
            workbench.arm("fail_batch", "openai", times=1, code=code, message="x")
            run(workbench, MINI)
        assert workbench.pipeline.status().paused == ()

    def test_a_success_in_between_does_not_pause(self, workbench):
        for times in (2, 1):
            workbench.arm("fail_batch", "openai", times=times, **LIMIT)
            for _ in range(times):
                run(workbench, MINI)
            workbench.backfill(MINI, analysis_count=times + 1)
            workbench.settle()
        assert workbench.pipeline.status().paused == ()

    def test_batches_of_one_round_count_once(self, workbench, monkeypatch):
        from grabient_pipeline.batches import reservation

        monkeypatch.setattr(reservation, "piece_size", lambda *_: 1)
        workbench.arm("fail_batch", "openai", **LIMIT)
        assert len(workbench.backfill(MINI, analysis_count=1).batches) == PALETTES
        workbench.settle()
        assert workbench.pipeline.status().paused == ()

    def test_other_models_go_on(self, workbench):
        workbench.arm("fail_batch", "openai", **LIMIT)
        for _ in range(3):
            run(workbench, MINI)
        report = workbench.backfill(MINI, MODELS["groq"], analysis_count=1)
        assert [batch.model.name for batch in report.batches] == [MODELS["groq"]]


class TestResuming:
    @pytest.fixture
    def paused(self, workbench):
        workbench.arm("fail_batch", "openai", **LIMIT)
        for _ in range(3):
            run(workbench, MINI)
        return workbench

    def test_it_is_asked_again(self, paused):
        paused.disarm()
        assert paused.pipeline.resume(MINI)
        assert paused.pipeline.status().paused == ()
        assert run(paused, MINI) == PALETTES

    def test_the_count_begins_again(self, paused):
        paused.pipeline.resume(MINI)
        for _ in range(2):
            run(paused, MINI)
        assert paused.pipeline.status().paused == ()
        run(paused, MINI)
        assert len(paused.pipeline.status().paused) == 1

    def test_releasing_the_quarantine_does_not_resume(self, paused):
        assert paused.pipeline.release() == 0
        assert len(paused.pipeline.status().paused) == 1

    def test_one_that_is_not_paused(self, workbench):
        assert not workbench.pipeline.resume(MINI)
