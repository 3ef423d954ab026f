"""Deadlines: late batches are cancelled, what they finished is kept, and the rest goes on as the order says."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grabient_pipeline.batches.cancel import known_batches
from grabient_pipeline.batches.collect import collect
from grabient_pipeline.batches.deadlines import cancel_late, late_batches
from grabient_pipeline.batches.order_progress import read_progress
from grabient_pipeline.batches.orders import BackfillRequest, RefinementRequest, resolve_backfill
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.providers.base import Route
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests.catalogue import MODELS
from grabient_pipeline_tests.conftest import Workbench

PALETTES = 3
COUNT = 4
ASKED = PALETTES * COUNT
MINI = MODELS["openai"]
WAYS = ("direct", "again", "leave")
each_provider = pytest.mark.parametrize("key", MODELS)
each_way = pytest.mark.parametrize("way", WAYS)
# At these a cancelled batch hands out what it finished, while Google's hand out nothing.
KEEPING = [key for key in MODELS if key != "google"]


def order_late(workbench: Workbench, key: str, way: str, *, kept: float = 0.5, **options: Any) -> Any:
    """Order with a deadline of 2 hours, submit one batch that takes too long, and let three hours pass."""
    workbench.arm("slow_batch", key, times=1, seconds=90)
    workbench.arm("cancel_keeps", key, share=kept)
    report = workbench.backfill(MODELS[key], analysis_count=COUNT, deadline_hours=2.0, when_late=way, **options)
    assert len(report.submitted) == 1
    pass_hours(workbench, 3)
    return report


def pass_hours(workbench: Workbench, hours: float) -> None:
    workbench.rows(
        "UPDATE tag_batches SET submitted_at = submitted_at - to_hours($hours::INTEGER), "
        "created_at = created_at - to_hours($hours::INTEGER) WHERE status = 'submitted'",
        {"hours": hours},
    )


def go_on(workbench: Workbench) -> Any:
    """Do once what a poll does: look, collect, send on."""
    workbench.settle()
    return workbench.pipeline.send_on()


def go_on_to_the_end(workbench: Workbench) -> list[Any]:
    reports = []
    for _ in range(8):
        reports.append(go_on(workbench))
        if not workbench.value("SELECT count(*) FROM orders WHERE closed_at IS NULL"):
            return reports
    raise AssertionError("the order does not end")


def the_part(workbench: Workbench) -> Any:
    with workbench.pipeline.warehouse.connect() as connection:
        (progress,) = read_progress(connection, workbench.pipeline.workspace)
    return progress


def answered(workbench: Workbench) -> int:
    return workbench.states().get("succeeded", 0)


def late_count(workbench: Workbench) -> int:
    return workbench.value("SELECT count(*) FROM tag_batches WHERE late_at IS NOT NULL")


def billed_requests(workbench: Workbench, key: str) -> tuple[int, int]:
    """Return the requests billed in batches and as ordinary calls."""
    bill = workbench.server.sandbox.billed()[key]
    return bill["requests"], bill["direct_requests"]


class TestLate:
    def test_an_order_without_a_deadline_is_never_late(self, workbench):
        workbench.arm("slow_batch")
        workbench.backfill(MINI, analysis_count=1)
        pass_hours(workbench, 100)
        assert cancel_late(workbench.pipeline.workspace) == []

    def test_a_batch_is_late_after_its_deadline_and_not_before(self, workbench):
        workbench.arm("slow_batch")
        workbench.backfill(MINI, analysis_count=1, deadline_hours=2.0)
        pass_hours(workbench, 1)
        assert late_batches(workbench.pipeline.workspace) == []
        pass_hours(workbench, 2)
        assert len(late_batches(workbench.pipeline.workspace)) == 1

    @each_provider
    def test_it_is_cancelled_once(self, workbench, key):
        order_late(workbench, key, "again")
        (outcome,) = workbench.pipeline.send_on().late
        assert (outcome.error, outcome.is_cancelled) == (None, True)
        assert [batch.cancelled is not None for batch in workbench.provider_batches()][:1] == [True]
        assert late_count(workbench) == 1
        assert workbench.pipeline.send_on().late == ()

    @each_provider
    def test_one_that_has_just_ended_is_not_late(self, workbench, key):
        workbench.backfill(MODELS[key], analysis_count=COUNT, deadline_hours=2.0, when_late="leave")
        pass_hours(workbench, 3)
        workbench.wait()
        (outcome,) = workbench.pipeline.send_on().late
        assert outcome.state.status == "completed"
        assert late_count(workbench) == 0
        go_on_to_the_end(workbench)
        assert workbench.value("SELECT count(*) FROM tag_batches WHERE status = 'cancelled'") == 0

    def test_a_refusal_is_reported_and_tried_again(self, workbench):
        order_late(workbench, "openai", "again")
        workbench.arm("down", "openai", times=20, calls="cancelling")
        (outcome,) = workbench.pipeline.send_on().late
        assert "was not cancelled" in outcome.error
        assert late_count(workbench) == 0
        assert workbench.value("SELECT trouble FROM tag_batches") == outcome.error
        workbench.disarm()
        (outcome,) = workbench.pipeline.send_on().late
        assert outcome.is_cancelled
        assert (late_count(workbench), workbench.value("SELECT trouble FROM tag_batches")) == (1, None)

    def test_a_provider_that_is_down_holds_up_no_other(self, workbench):
        workbench.arm("slow_batch")
        workbench.backfill(MINI, MODELS["groq"], analysis_count=1, deadline_hours=2.0)
        pass_hours(workbench, 3)
        del workbench.environment["GROQ_API_KEY"]
        outcomes = {outcome.provider: outcome for outcome in cancel_late(workbench.pipeline.workspace)}
        assert "GROQ_API_KEY" in outcomes["groq"].error
        assert outcomes["openai"].is_cancelled

    def test_batches_of_a_closed_order_stay(self, workbench):
        order_late(workbench, "openai", "again")
        workbench.rows("UPDATE orders SET closed_at = now()")
        assert cancel_late(workbench.pipeline.workspace) == []

    def test_after_a_restore_nothing_is_cancelled(self, workbench):
        order_late(workbench, "openai", "again")
        workbench.rows("UPDATE config SET paused_since = now(), paused_reason = 'restored'")
        assert cancel_late(workbench.pipeline.workspace) == []


class TestTheRest:
    @each_provider
    @each_way
    def test_what_was_finished_is_kept_and_the_rest_goes_on(self, workbench, key, way):
        order_late(workbench, key, way)
        workbench.pipeline.send_on()
        workbench.settle()
        kept = answered(workbench)
        assert bool(kept) == (key in KEEPING)
        finished, _ = billed_requests(workbench, key)
        go_on_to_the_end(workbench)
        in_batches, directly = billed_requests(workbench, key)
        # An answer that is of no use is asked for again.
        failed = workbench.states().get("failed", 0)
        rest = ASKED - finished
        assert answered(workbench) == (kept if way == "leave" else ASKED)
        if way == "direct":
            assert in_batches - finished <= failed
            assert directly >= rest
        elif way == "again":
            assert in_batches - finished >= rest
            assert directly == 0
        else:
            assert in_batches - finished <= failed
            assert directly == 0
        assert workbench.billed_twice()[key] == 0
        questions = workbench.server.sandbox.billed()[key]["questions_by_times_billed"]
        assert sum(int(times) * count for times, count in questions.items()) <= ASKED + failed
        assert workbench.rows("SELECT closed_reason FROM orders") == [("complete",)]
        assert workbench.pipeline.status().paid_and_not_kept == 0

    def test_what_is_left_counts_as_given_up(self, workbench):
        order_late(workbench, "openai", "leave", kept=0.0)
        workbench.pipeline.send_on()
        workbench.wait()
        workbench.pipeline.poll()
        # Without closing what is finished.
        collect(workbench.pipeline.workspace)
        counts = the_part(workbench).counts
        assert (counts.asked, counts.given_up, counts.waiting, counts.in_flight) == (ASKED, ASKED, 0, 0)
        assert the_part(workbench).is_complete
        workbench.pipeline.send_on()
        assert workbench.rows("SELECT closed_reason FROM order_parts") == [("complete",)]
        assert len(workbench.provider_batches()) == 1

    def test_a_new_order_asks_for_what_was_left(self, workbench):
        order_late(workbench, "openai", "leave", kept=0.0)
        workbench.pipeline.send_on()
        go_on_to_the_end(workbench)
        assert workbench.backfill(MINI, analysis_count=COUNT).request_count == ASKED

    def test_ordinary_calls_wait_for_no_room(self, workbench):
        order_late(workbench, "openai", "direct", kept=0.0)
        workbench.pipeline.send_on()
        workbench.settle()
        # Of the account nothing may be queued any more.
        workbench.rows(
            "INSERT INTO account_limits BY NAME SELECT 'openai' AS provider, '' AS model, 'none' AS tier, "
            "0 AS jobs, now() AS set_at"
        )
        progress = the_part(workbench)
        assert progress.room.refusal is not None
        assert (progress.counts.late, progress.sendable) == (ASKED, {Route("openai", "direct"): "only"})
        report = workbench.pipeline.send_on()
        assert {batch.route.access for batch in report.submitted} == {"direct"}
        assert billed_requests(workbench, "openai") == (0, ASKED)

    def test_the_direct_route_is_used_only_for_late_requests(self, workbench):
        """Requests of a part that no late batch had go out as a batch, also beside ordinary calls."""
        order_late(workbench, "openai", "direct", kept=0.0)
        workbench.pipeline.send_on()
        workbench.settle()
        workbench.rows("UPDATE orders SET analysis_count = analysis_count + 1")
        progress = the_part(workbench)
        assert (progress.counts.waiting, progress.counts.late) == (ASKED + PALETTES, ASKED)
        report = workbench.pipeline.send_on()
        requests = {batch.route.access: batch.request_count for batch in report.submitted}
        assert requests == {"direct": ASKED, "batch": PALETTES}
        go_on_to_the_end(workbench)
        assert workbench.billed_twice()["openai"] == 0

    def test_one_that_stays_in_cancelling_goes_on_when_it_is_abandoned(self, workbench):
        workbench.arm("stuck_cancelling", "openai", times=1)
        order_late(workbench, "openai", "direct", kept=0.0)
        (outcome,) = workbench.pipeline.send_on().late
        assert outcome.is_cancelled
        assert workbench.pipeline.send_on().batches == ()
        workbench.pipeline.abandon(known_batches(workbench.pipeline.warehouse))
        report = workbench.pipeline.send_on()
        assert [(batch.route.access, batch.request_count) for batch in report.submitted] == [("direct", ASKED)]

    def test_failed_calls_are_repeated_as_calls(self, workbench):
        order_late(workbench, "openai", "direct", kept=0.0)
        workbench.pipeline.send_on()
        workbench.settle()
        workbench.arm("down", "openai", times=2, status=500, calls="asking")
        workbench.pipeline.send_on()
        workbench.settle()
        failed = workbench.states()["failed"]
        assert failed >= 2
        report = workbench.pipeline.send_on()
        assert [(batch.route.access, batch.request_count) for batch in report.submitted] == [("direct", failed)]
        go_on_to_the_end(workbench)
        assert answered(workbench) == ASKED
        assert billed_requests(workbench, "openai")[0] == 0

    @pytest.mark.parametrize("way", ["again", "leave"])
    def test_late_batches_do_not_pause_the_model(self, workbench, way):
        for _ in range(4):
            order_late(workbench, "openai", way, kept=0.0)
            workbench.pipeline.send_on()
            if way == "leave":
                go_on_to_the_end(workbench)
            else:
                workbench.settle()
                workbench.rows("UPDATE orders SET closed_at = now()")
                workbench.rows("UPDATE order_parts SET closed_at = now()")
        assert late_count(workbench) == 4
        assert workbench.pipeline.status().paused == ()

    @each_way
    def test_refinements_have_deadlines_too(self, workbench, way):
        workbench.backfill(MINI, analysis_count=2)
        go_on_to_the_end(workbench)
        workbench.pipeline.count_consensus()
        workbench.arm("slow_batch", "anthropic", times=1, seconds=90)
        workbench.arm("cancel_keeps", "anthropic", share=0.4)
        request = RefinementRequest(deadline_hours=2.0, when_late=way)
        assert workbench.pipeline.refine(request).batches.request_count == PALETTES
        pass_hours(workbench, 3)
        workbench.pipeline.send_on()
        workbench.settle()
        workbench.pipeline.refine_answers()
        kept = workbench.pipeline.status().refined
        assert 0 < kept < PALETTES
        go_on_to_the_end(workbench)
        workbench.pipeline.refine_answers()
        assert workbench.pipeline.status().refined == (kept if way == "leave" else PALETTES)
        bill = workbench.server.sandbox.billed()["anthropic"]
        assert bill["direct_requests"] == (PALETTES - kept if way == "direct" else 0)
        assert workbench.billed_twice()["anthropic"] == 0


class TestCap:
    def full_price(self, workbench, count=COUNT) -> float:
        report = workbench.backfill(MINI, analysis_count=count, direct=True, dry_run=True)
        return report.estimated_cost_usd

    def test_the_cost_of_the_late_rest_is_said_before(self, workbench):
        class Notes:
            def __init__(self) -> None:
                self.lines: list[str] = []

            def note(self, line: str) -> None:
                assert not workbench.provider_batches()
                self.lines.append(line)

            def advance(self, *_: object) -> None:
                pass

        full = self.full_price(workbench)
        request = BackfillRequest(models=[MINI], analysis_count=COUNT, deadline_hours=2.0, when_late="direct")
        for dry_run in (True, False):
            notes = Notes()
            report = workbench.pipeline.backfill(replace(request, dry_run=dry_run), progress=notes)
            assert report.late_cost_usd == pytest.approx(full)
            assert report.estimated_cost_usd == pytest.approx(full / 2)
            (line,) = [line for line in notes.lines if "full price" in line]
            assert f"at most ${full:.4f}" in line or f"at most ${full:.2f}" in line
            assert "after 2 hours" in line
            assert "$25.00" in line

    @pytest.mark.parametrize("way", ["again", "leave", None])
    def test_nothing_is_said_of_a_cost_that_cannot_arise(self, workbench, way):
        report = workbench.backfill(MINI, analysis_count=1, deadline_hours=2.0, when_late=way, dry_run=True)
        assert report.late_cost_usd is None

    def test_ordinary_calls_stop_at_the_cap_of_the_order(self, workbench):
        cap = self.full_price(workbench) * 0.6
        order_late(workbench, "openai", "direct", kept=0.0, max_cost_usd=cap)
        workbench.pipeline.send_on()
        workbench.settle()
        for _ in range(4):
            go_on(workbench)
        assert 0 < answered(workbench) < ASKED
        # What was sent was estimated to fit.
        assert workbench.value("SELECT max(estimated_cost_usd) FROM tag_batches WHERE access = 'direct'") <= cap
        progress = the_part(workbench)
        if progress.committed.spent_usd + progress.part.request_cost_usd * 2 > cap:
            assert progress.is_capped
            assert "the cap of order 1 is reached" in progress.waits_for
            assert workbench.pipeline.send_on().batches == ()
        workbench.rows("UPDATE orders SET max_cost_usd = 25")
        go_on_to_the_end(workbench)
        assert answered(workbench) == ASKED
        assert workbench.billed_twice()["openai"] == 0


_CANCEL = """
import os, signal, sys
from pathlib import Path
from grabient_pipeline.batches import cancel, deadlines
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

deadlines._record_late = die
pipeline = Pipeline(Settings(Path(sys.argv[1]), sandbox=True), os.environ)
print("ready", flush=True)
pipeline.send_on()
"""


class TestKilled:
    @pytest.fixture
    def killed(self, workbench, run_python, request):
        """A workbench whose process died when the provider had accepted the cancellation."""
        key, way = request.param
        order_late(workbench, key, way, kept=0.0)
        process = run_python(_CANCEL, workbench.settings.data_dir, environment={**workbench.environment, "PATH": ""})
        process.wait(60)
        assert process.returncode == -signal.SIGKILL, process.stderr.read()
        assert workbench.provider_batches()[0].cancelled is not None
        assert workbench.rows("SELECT status, late_at FROM tag_batches") == [("submitted", None)]
        return workbench

    cases = pytest.mark.parametrize(
        "killed", [("openai", "leave"), ("anthropic", "direct"), ("google", "leave"), ("groq", "again")], indirect=True
    )

    @cases
    def test_the_next_call_records_it(self, killed):
        (outcome,) = killed.pipeline.send_on().late
        assert outcome.is_cancelled
        assert late_count(killed) == 1
        go_on_to_the_end(killed)
        assert set(killed.billed_twice().values()) == {0}

    @cases
    def test_also_if_its_end_was_seen_before(self, killed):
        killed.settle()
        assert killed.rows("SELECT status, late_at FROM tag_batches") == [("cancelled", None)]
        report = killed.pipeline.send_on()
        assert report.late == ()
        assert late_count(killed) == 1
        (way,) = killed.rows("SELECT when_late FROM orders")[0]
        access = [batch.route.access for batch in report.submitted]
        assert access == {"leave": [], "direct": ["direct"], "again": ["batch"]}[way]

    def test_a_batch_that_was_cancelled_in_time_is_not_late(self, workbench):
        workbench.arm("slow_batch")
        workbench.backfill(MINI, analysis_count=1, deadline_hours=2.0, when_late="leave")
        pass_hours(workbench, 1)
        workbench.pipeline.cancel()
        workbench.disarm()
        workbench.settle()
        workbench.pipeline.send_on()
        assert late_count(workbench) == 0


class TestOptions:
    def resolve(self, **options: Any) -> Any:
        request = BackfillRequest(models=[MINI], **options)
        return resolve_backfill(request, Settings(Path("data")), MODELS, 8).order

    def test_late_requests_are_sent_again_unless_something_else_is_said(self):
        assert self.resolve(deadline_hours=1).when_late == "again"
        assert self.resolve().when_late is None

    @pytest.mark.parametrize("hours", [0, -1, 721, float("nan"), float("inf")])
    def test_an_invalid_deadline_is_rejected(self, hours):
        with pytest.raises(SettingsError, match="the deadline is"):
            self.resolve(deadline_hours=hours)

    def test_a_choice_without_a_deadline_is_rejected(self):
        with pytest.raises(SettingsError, match="--deadline"):
            self.resolve(when_late="leave")

    def test_an_unknown_choice_is_rejected(self):
        with pytest.raises(SettingsError, match="direct, again or leave"):
            self.resolve(deadline_hours=1, when_late="never")

    def test_many_late_batches_have_their_turn_one_after_another(self, workbench, monkeypatch):
        workbench.arm("slow_batch")
        for count in (1, 2, 3):
            workbench.backfill(MINI, analysis_count=count, deadline_hours=2.0, when_late="leave")
        pass_hours(workbench, 3)
        assert len(late_batches(workbench.pipeline.workspace, limit=2)) == 2
        assert len(late_batches(workbench.pipeline.workspace)) == 3
