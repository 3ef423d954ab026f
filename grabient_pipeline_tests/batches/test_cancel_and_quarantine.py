"""Cancelling keeps what was finished; what fails too often rests until it is freed; what is not kept shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grabient_pipeline.batches import collect as collect_module
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import UnknownBatchError
from grabient_pipeline.tagging import ParsedAnswer

MODELS = {
    "anthropic": "anthropic/claude-3-5-haiku-20241022",
    "openai": "openai/gpt-4o-mini",
    "groq": "groq/openai/gpt-oss-20b",
    "google": "google/gemini-2.5-flash-lite",
}
PALETTES = 3
each_provider = pytest.mark.parametrize("key", MODELS)


class TestCancel:
    @each_provider
    def test_what_was_finished_is_kept_and_the_rest_is_asked_again(self, workbench, key):
        workbench.arm("slow_batch", key, times=1, seconds=0.6)
        workbench.backfill(MODELS[key], analysis_count=4)
        (cancelled,) = workbench.pipeline.cancel()
        assert cancelled.error is None
        workbench.settle()
        states = workbench.states()
        assert sum(states.values()) == PALETTES * 4
        assert "in_flight" not in states
        there = workbench.batches_there()
        again = workbench.backfill(MODELS[key], analysis_count=4)
        assert again.request_count == PALETTES * 4 - states.get("succeeded", 0)
        assert len(workbench.batches_there()) == len(there) + bool(again.request_count)
        workbench.settle()
        assert workbench.billed_twice()[key] == 0

    @pytest.mark.parametrize("place", [0, 1], ids=["submission", "batch id"])
    def test_by_either_name(self, workbench, place):
        workbench.arm("slow_batch")
        workbench.backfill(MODELS["openai"], MODELS["groq"], analysis_count=1)
        (names,) = workbench.rows("SELECT submission, batch_id FROM tag_batches WHERE provider = 'groq'")
        name = names[place]
        (cancelled,) = workbench.pipeline.cancel([name])
        assert cancelled.provider == "groq"
        states = {batch.provider: batch.cancelled for batch in workbench.batches_there()}
        assert states["groq"] is not None
        assert states["openai"] is None

    @each_provider
    def test_one_that_has_just_ended_is_collected_as_it_is(self, workbench, key):
        workbench.backfill(MODELS[key], analysis_count=1)
        workbench.wait()
        (outcome,) = workbench.pipeline.cancel()
        assert outcome.error is None
        assert outcome.state is not None
        assert outcome.state.status == "completed"
        workbench.pipeline.collect()
        assert sum(workbench.states().values()) == PALETTES
        assert "released" not in workbench.states()

    def test_what_is_not_there_for_certain_cannot_be_cancelled(self, workbench):
        workbench.arm("create_then_500", "openai", times=1)
        submission = workbench.backfill(MODELS["openai"], analysis_count=1).batches[0].submission
        (outcome,) = workbench.pipeline.cancel([submission])
        assert "grabient reconcile" in (outcome.error or "")

    def test_a_name_that_is_none(self, workbench):
        with pytest.raises(UnknownBatchError, match="no batch 'x'"):
            workbench.pipeline.cancel(["x"])

    def test_a_provider_that_is_down_spoils_no_other(self, workbench):
        workbench.arm("slow_batch")
        workbench.backfill(MODELS["openai"], MODELS["groq"], analysis_count=1)
        workbench.arm("down", "openai")
        outcomes = {outcome.provider: outcome for outcome in workbench.pipeline.cancel()}
        assert outcomes["openai"].error
        assert outcomes["groq"].error is None


class TestQuarantine:
    @pytest.fixture
    def failing(self, workbench, monkeypatch):
        """Every answer is useless, three times over."""
        useless = replace(TAGGING, parse=lambda *_: ParsedAnswer(None, "refused: no"))
        with monkeypatch.context() as patched:
            patched.setitem(collect_module.STAGES, "tagging", useless)
            for _ in range(3):
                workbench.backfill(MODELS["openai"], analysis_count=1)
                workbench.settle()
        return workbench

    def test_after_three_failures_a_request_rests_and_shows(self, failing):
        assert failing.backfill(MODELS["openai"], analysis_count=1).request_count == 0
        (rests,) = failing.pipeline.quarantined()
        assert (rests.stage, rests.provider, rests.reason, rests.requests) == ("tagging", "openai", "refused", PALETTES)
        assert failing.pipeline.status().resting_requests == PALETTES

    def test_a_person_frees_it(self, failing):
        assert failing.pipeline.release("openai/gpt-5-nano") == 0
        assert failing.pipeline.release("openai/gpt-4o-mini") == PALETTES
        assert failing.pipeline.quarantined() == []
        assert failing.backfill(MODELS["openai"], analysis_count=1).request_count == PALETTES
        assert failing.value("SELECT max(attempt) FROM tag_requests") == 4

    def test_freeing_keeps_what_was_answered(self, failing):
        before = failing.rows("FROM tag_responses ORDER BY ALL")
        failing.pipeline.release()
        assert failing.rows("FROM tag_responses ORDER BY ALL") == before
        assert failing.value("SELECT count(*) FROM palette_tags WHERE error = 'refused: no'") == PALETTES


class TestPaidAndNotKept:
    def test_nothing_is_lost_on_the_usual_way(self, workbench):
        workbench.backfill(*MODELS.values(), analysis_count=2)
        workbench.settle()
        assert workbench.pipeline.status().paid_and_not_kept == 0

    @pytest.mark.parametrize("key", ["openai", "groq", "anthropic"])
    def test_rows_that_are_counted_and_never_come_show(self, workbench, key):
        """The figure must be able to be another than 0."""
        workbench.arm("missing_rows", key, count=2)
        workbench.backfill(MODELS[key], analysis_count=1)
        workbench.settle()
        status = workbench.pipeline.status()
        errored = workbench.value("SELECT count(*) FROM tag_responses WHERE outcome = 'errored'")
        assert 0 < status.paid_and_not_kept <= 2
        assert status.paid_and_not_kept + errored >= 2 - errored

    def test_a_row_that_cannot_be_read_is_kept_as_it_came(self, workbench):
        workbench.arm("garbage_rows", "openai", count=2)
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.settle()
        assert workbench.findings() == {"unreadable": 2}
        assert workbench.pipeline.status().paid_and_not_kept == 0

    def test_results_that_are_gone_settle_the_batch_when_they_may_be(self, workbench):
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.wait()
        workbench.pipeline.poll()
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET batch_id = 'batch_gone'")
        report = workbench.pipeline.collect()
        assert not report.batches
        assert len(report.failures) == 1, "before their time they may come back"
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET created_at = now() - INTERVAL 31 DAYS")
        report = workbench.pipeline.collect()
        assert len(report.batches) == 1
        assert workbench.findings() == {"missing": PALETTES}
        assert workbench.pipeline.status().paid_and_not_kept == PALETTES


def test_results_that_vanish_first_are_collected_first(workbench):
    workbench.backfill(*MODELS.values(), analysis_count=1)
    workbench.wait()
    workbench.pipeline.poll()
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE tag_batches SET created_at = now() - INTERVAL 20 DAYS WHERE provider = 'google'")
    order = [batch.provider for batch in collect_module.ended_batches(workbench.pipeline.workspace)]
    assert order[0] == "google"
    # 29 days against 30.
    assert order[1] == "anthropic"


def test_a_batch_past_its_window_is_flagged(workbench):
    workbench.arm("slow_batch")
    workbench.backfill(MODELS["openai"], MODELS["google"], analysis_count=1)
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE tag_batches SET submitted_at = now() - INTERVAL 30 HOURS")
    overdue = {batch.provider: batch.overdue for batch in workbench.pipeline.status().open_batches}
    assert overdue == {"openai": True, "google": False}
