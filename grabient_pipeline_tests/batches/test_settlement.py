"""A batch is settled only when what its provider promised is there; late answers are stored too."""

from __future__ import annotations

import datetime as dt

import pytest

from grabient_pipeline.batches.config import write_patience
from grabient_pipeline.batches.settlement import EndedBatch, Rows, judge
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.providers.base import OWED, BatchState
from grabient_pipeline.providers.google import GoogleBatches
from grabient_pipeline_tests.catalogue import MODELS

PALETTES = 3
ALL = 2 * PALETTES
each_provider = pytest.mark.parametrize("key", MODELS)
with_error_files = pytest.mark.parametrize("key", ["openai", "groq"])


def begin(workbench, key, **faults):
    """Submit two responses a palette, and wait until they have ended."""
    for fault, parameters in faults.items():
        workbench.arm(fault, key, **parameters)
    workbench.backfill(MODELS[key], analysis_count=2)
    workbench.wait()
    workbench.pipeline.poll()


def collect(workbench, **options):
    report = workbench.pipeline.collect(**options)
    workbench.pipeline.parse_answers()
    return report


def answered_all(workbench):
    """Whether every request has its answer, and nothing was paid for again."""
    states = workbench.states()
    assert not any(workbench.billed_twice().values())
    return sum(states.values()) == ALL and not states.keys() & {"in_flight", "released"}


class TestWaiting:
    @each_provider
    def test_counts_of_nothing_and_no_files_are_no_end(self, workbench, key):
        begin(workbench, key)
        # Google's state is two calls.
        workbench.arm("nothing_counted", key, times=4 if key == "google" else 2)
        for _ in range(2):
            report = collect(workbench)
            assert list(report.waiting) == list(workbench.rows("SELECT submission FROM tag_batches")[0])
            assert workbench.states() == {"in_flight": ALL}
        assert workbench.backfill(MODELS[key], analysis_count=2).request_count == 0
        collect(workbench)
        assert answered_all(workbench)
        assert workbench.findings() == {}

    @with_error_files
    @pytest.mark.parametrize("ending", ["cancelled", "expired"])
    def test_an_output_file_that_comes_after_the_error_file(self, workbench, key, ending):
        if ending == "expired":
            workbench.arm("expire", key, share=0.5, times=1)
        else:
            workbench.arm("slow_batch", key, times=1, seconds=0.6)
            workbench.arm("cancel_keeps", key, share=0.5, times=1)
        workbench.backfill(MODELS[key], analysis_count=2)
        if ending == "cancelled":
            workbench.pipeline.cancel()
        workbench.wait()
        workbench.pipeline.poll()
        workbench.arm("late_output_file", key, times=2)
        collect(workbench)
        assert workbench.states() == {"in_flight": ALL}
        assert workbench.pipeline.status().paid_and_not_kept == ALL // 2
        collect(workbench)
        collect(workbench)
        states = workbench.states()
        assert states["released"] == ALL // 2
        assert states.get("succeeded", 0) + states.get("failed", 0) == ALL // 2
        assert workbench.pipeline.status().paid_and_not_kept == 0

    @with_error_files
    def test_failed_rows_are_taken_in_while_the_others_are_waited_for(self, workbench, key):
        begin(workbench, key, fail_rows={"share": 0.5, "times": 1})
        workbench.arm("late_output_file", key, times=1)
        (batch,) = collect(workbench).batches
        assert (batch.states, batch.waiting) == ({"failed": ALL // 2}, ALL // 2)
        assert workbench.states() == {"failed": ALL // 2, "in_flight": ALL // 2}
        assert workbench.pipeline.status().paid_and_not_kept == ALL // 2
        # What failed can be submitted again; what is waited for is not.
        assert workbench.backfill(MODELS[key], analysis_count=2, dry_run=True).request_count == ALL // 2
        collect(workbench)
        assert "in_flight" not in workbench.states()
        assert workbench.value("SELECT count(*) FROM tag_responses WHERE outcome = 'succeeded'") == ALL // 2

    @each_provider
    @pytest.mark.parametrize("share", [0.0, 0.5])
    @pytest.mark.parametrize("whole_lines", [True, False])
    def test_a_short_file(self, workbench, key, share, whole_lines):
        begin(workbench, key)
        workbench.arm("short_download", key, times=1, share=share, whole_lines=whole_lines)
        report = collect(workbench)
        assert report.waiting or report.failures
        assert workbench.states().get("in_flight", 0) >= ALL // 2
        collect(workbench)
        assert answered_all(workbench)
        assert workbench.findings() == {}

    @each_provider
    @pytest.mark.parametrize("media_type", ["text/html", "application/octet-stream"])
    def test_a_page_of_somebody_in_between_is_no_result(self, workbench, key, media_type):
        begin(workbench, key)
        workbench.arm("foreign_download", key, media_type=media_type)
        report = collect(workbench)
        assert not report.batches
        assert len(report.failures) == 1
        assert workbench.states() == {"in_flight": ALL}
        assert workbench.pipeline.status().paid_and_not_kept == ALL
        workbench.disarm()
        collect(workbench)
        assert answered_all(workbench)
        assert workbench.pipeline.status().paid_and_not_kept == 0

    @each_provider
    def test_patience_begins_with_our_first_look(self, workbench, key):
        begin(workbench, key)
        workbench.rows("UPDATE tag_batches SET completed_at = now() - INTERVAL 3 DAYS")
        workbench.arm("nothing_counted", key, times=1)
        assert collect(workbench).waiting
        collect(workbench)
        assert answered_all(workbench)

    def test_the_reason_is_shown_until_it_is_settled(self, workbench):
        begin(workbench, "openai")
        workbench.arm("short_download", "openai", times=1, share=0.5)
        collect(workbench)
        (batch,) = workbench.pipeline.status().open_batches
        assert batch.waiting == ALL // 2
        assert "waiting for 3 results" in batch.trouble
        collect(workbench)
        assert workbench.pipeline.status().open_batches == ()

    def test_only_what_is_waited_for_counts_against_the_cap(self, workbench):
        begin(workbench, "openai")
        whole = workbench.pipeline.status().outstanding_usd
        workbench.arm("short_download", "openai", times=1, share=0.5)
        collect(workbench)
        status = workbench.pipeline.status()
        assert status.outstanding_usd == pytest.approx(whole / 2)
        assert status.cost_usd > 0

    def test_another_look_records_no_finding_twice(self, workbench):
        begin(workbench, "anthropic")
        workbench.arm("missing_rows", "anthropic", times=2, count=1)
        workbench.arm("unknown_rows", "anthropic", count=1)
        assert [bool(collect(workbench).waiting) for _ in range(3)] == [True, True, False]
        assert workbench.findings() == {"unknown": 1}


class TestPatience:
    @each_provider
    def test_after_it_the_batch_is_settled_with_a_finding(self, workbench, key):
        workbench.lose_patience()
        begin(workbench, key, short_download={"share": 0.5})
        collect(workbench)
        assert workbench.findings() == {"missing": ALL // 2, "undelivered": 1}
        detail = workbench.value("SELECT detail FROM collection_findings WHERE kind = 'undelivered'")
        assert "counts" in detail
        assert workbench.pipeline.status().paid_and_not_kept > 0
        assert workbench.backfill(MODELS[key], analysis_count=2, dry_run=True).request_count >= ALL // 2

    @pytest.mark.parametrize("hours", [-1, 721, float("nan")])
    def test_an_unusable_setting_is_refused(self, workbench, hours):
        with pytest.raises(SettingsError, match="from 0 to 720"):
            write_patience(workbench.pipeline.warehouse, hours)

    def test_what_is_undelivered_is_asked_for_once_a_day(self, workbench):
        workbench.lose_patience()
        begin(workbench, "openai", short_download={"share": 0.5, "times": 1})
        collect(workbench)
        assert collect(workbench).batches == ()
        workbench.rows("UPDATE tag_batches SET looked_at = now() - INTERVAL 25 HOURS")
        assert len(collect(workbench).batches) == 1
        assert workbench.value("SELECT undelivered_count FROM tag_batches") == 0

    def test_it_is_not_asked_for_after_the_retention(self, workbench):
        workbench.lose_patience()
        begin(workbench, "openai", short_download={"share": 0.5})
        collect(workbench)
        workbench.rows("UPDATE tag_batches SET created_at = now() - INTERVAL 31 DAYS")
        assert collect(workbench, every_late=True).batches == ()


class TestLateAnswers:
    @pytest.fixture(params=list(MODELS))
    def settled(self, workbench, request):
        """Half of the answers came, and the other half was settled as missing; all are there now."""
        workbench.key = request.param
        workbench.lose_patience()
        begin(workbench, request.param, short_download={"share": 0.5, "times": 1})
        collect(workbench)
        return workbench

    def test_a_request_that_was_not_asked_again_becomes_answered(self, settled):
        cost = settled.value("SELECT cost_usd FROM tag_batches")
        collect(settled, every_late=True)
        assert settled.value("SELECT count(*) FROM tag_responses WHERE outcome = 'missing'") == 0
        usable = settled.value("SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL")
        assert settled.states().get("succeeded", 0) == usable
        assert settled.value("SELECT count(*) FROM request_claims") == usable
        assert settled.value("SELECT cost_usd FROM tag_batches") > cost
        assert settled.pipeline.status().paid_and_not_kept == 0

    def test_of_one_that_was_asked_again_the_first_usable_answer_counts(self, settled):
        again = settled.backfill(MODELS[settled.key], analysis_count=2)
        assert again.request_count >= ALL // 2
        collect(settled, every_late=True)
        late = settled.rows("SELECT custom_id FROM palette_tags WHERE tags IS NOT NULL ORDER BY ALL")
        settled.settle()
        after = settled.rows("SELECT custom_id FROM palette_tags WHERE tags IS NOT NULL ORDER BY ALL")
        assert set(late) <= set(after)
        # Both texts and both costs are kept.
        assert settled.value("SELECT count(*) FROM tag_responses WHERE text IS NOT NULL") >= ALL + ALL // 2 - 2
        paid = settled.value("SELECT sum(cost_usd) FROM tag_batches")
        assert settled.pipeline.status().models[0].cost_usd == pytest.approx(paid)
        assert paid > settled.value("SELECT sum(cost_usd) FROM palette_tags")

    def test_it_counts_even_if_the_second_attempt_fails(self, settled):
        settled.arm("fail_rows", settled.key)
        settled.backfill(MODELS[settled.key], analysis_count=2)
        collect(settled, every_late=True)
        settled.settle()
        usable = settled.value("SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL")
        assert usable >= ALL // 2
        assert settled.states()["succeeded"] == usable
        held = "SELECT count(*) FROM tag_requests SEMI JOIN request_claims USING (custom_id) WHERE state = 'succeeded'"
        assert settled.value(held) == usable


class TestWhatIsOwed:
    """The decision itself, for what a state promises."""

    def batch(self, status="completed", **values):
        now = dt.datetime.now(dt.UTC)
        known = {"waits_until": now + dt.timedelta(days=1), **values}
        return EndedBatch("s", "tagging", "openai", "batch", "m", "b", status, None, now, 4, **known)

    @pytest.mark.parametrize(
        ("state", "rows", "settles"),
        [
            (BatchState("completed", "x", 4, 0), Rows(4, 4, 4, 0), True),
            (BatchState("completed", "x", 2, 2), Rows(4, 2, 4, 0), True),
            (BatchState("completed", "x", 0, 0), Rows(4, 0, 0, 4), False),
            (BatchState("completed", "x"), Rows(4, 0, 0, 4), False),
            (BatchState("completed", "x", 4, 0), Rows(4, 3, 3, 1), False),
            # More are counted than succeeded, but every request has an answer.
            (BatchState("completed", "x", 4, 0), Rows(4, 3, 4, 0), True),
            # Counts of a completed batch that do not add up are none.
            (BatchState("completed", "x", 1, 0), Rows(4, 0, 0, 0), True),
            (BatchState("cancelled", "x", 2, 0), Rows(4, 0, 0, 2), False),
            (BatchState("cancelled", "x", 2, 0), Rows(4, 0, 0, 0), False),
            (BatchState("cancelled", "x", 2, 0), Rows(4, 2, 2, 0), True),
            (BatchState("expired", "x", 0, 0), Rows(4, 0, 0, 0), True),
            (BatchState("expired", "x"), Rows(4, 0, 0, 4), False),
            (BatchState("failed", "x", 0, 0, error="full"), Rows(4, 0, 0, 4), True),
            (BatchState("failed", "x", 0, 0), Rows(4, 0, 0, 4), False),
            (BatchState("failed", "x", 2, 0, error="full"), Rows(4, 0, 0, 4), False),
        ],
    )
    def test_a_batch_is_settled_if_its_provider_owes_nothing(self, state, rows, settles):
        assert judge(self.batch(state.status), state, rows, OWED).settles is settles

    @pytest.mark.parametrize("status", ["expired", "cancelled"])
    def test_google_owes_nothing_of_a_batch_that_ended_early(self, status):
        verdict = judge(self.batch(status), BatchState(status, "x"), Rows(4, 0, 0, 4), GoogleBatches.owed)
        assert (verdict.settles, verdict.lacking) == (True, 0)

    def test_nothing_is_waited_for_after_patience_or_retention(self):
        now = dt.datetime.now(dt.UTC)
        state, rows = BatchState("completed", "x", 4, 0), Rows(4, 1, 1, 3)
        verdict = judge(self.batch(waits_until=now), state, rows, OWED)
        assert (verdict.settles, verdict.waiting, verdict.lacking) == (True, 0, 3)
        assert "4 completed, and gave 1 answer of 4" in verdict.reason
