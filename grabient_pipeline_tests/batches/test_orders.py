"""An order is pinned when it is made, and sent piece by piece as there is room, within its cap."""

from __future__ import annotations

import pytest

from grabient_pipeline.batches.account_limits import write_figures
from grabient_pipeline.errors import CostCapError, UnknownOrderError
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline_tests.conftest import PALETTES

MINI = "openai/gpt-4o-mini"
HAIKU = "anthropic/claude-3-5-haiku-20241022"
ANALYSES = 4
REQUESTS = PALETTES * ANALYSES


@pytest.fixture
def narrow(workbench):
    """A queue of eight requests at Anthropic, for pieces of two."""
    write_figures(workbench.pipeline.warehouse, "anthropic", None, requests=8)
    workbench.arm("slow_batch", "anthropic")
    return workbench


def order(workbench, **options):
    return workbench.backfill(HAIKU, analysis_count=ANALYSES, **options)


def end_all(workbench):
    for batch in workbench.provider_batches():
        batch.seconds = 0
    workbench.settle()


def progress(workbench):
    (part,) = workbench.pipeline.open_orders()
    return part


def closed(workbench):
    return workbench.rows("SELECT closed_reason FROM orders ORDER BY number")


class TestPieces:
    def test_what_fits_goes_out_and_the_rest_waits(self, narrow):
        report = order(narrow)
        assert [batch.request_count for batch in report.batches] == [2, 2, 2, 2]
        assert (report.order, report.planned_requests, report.waiting) == (1, REQUESTS, REQUESTS - 8)
        assert "8 of 8 requests" in progress(narrow).waits_for
        assert narrow.value("SELECT count(*) FROM tag_requests") == 8, "nothing else is reserved"

    def test_what_waits_does_not_count_as_answered(self, narrow):
        order(narrow)
        again = order(narrow)
        assert (again.order, again.waiting) == (None, REQUESTS - 8)
        assert (again.answered_elsewhere, again.answered_elsewhere_usd) == (0, 0.0)

    def test_as_room_appears_the_rest_follows_until_it_is_complete(self, narrow):
        order(narrow)
        assert narrow.pipeline.send_on().batches == ()
        end_all(narrow)
        assert narrow.pipeline.send_on().request_count == REQUESTS - 8
        end_all(narrow)
        assert narrow.value("SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL") == REQUESTS
        assert (closed(narrow), narrow.pipeline.open_orders()) == ([("complete",)], [])
        assert narrow.billed_twice()["anthropic"] == 0

    def test_the_estimate_of_the_order_is_that_of_its_pieces(self, narrow):
        report = order(narrow)
        sent = sum(batch.estimated_cost_usd for batch in report.batches)
        assert report.planned_cost_usd == pytest.approx(sent * REQUESTS / 8, rel=0.02)

    def test_requests_that_failed_are_sent_again_until_they_are_in_quarantine(self, workbench):
        workbench.lose_patience()
        workbench.arm("missing_rows", "openai", count=PALETTES)
        workbench.backfill(MINI, analysis_count=1)
        for failures in (1, 2, 3):
            workbench.settle()
            assert workbench.states() == {"failed": failures * PALETTES}
            workbench.pipeline.send_on()
        assert workbench.states() == {"failed": 3 * PALETTES}
        assert closed(workbench) == [("complete",)]

    def test_a_full_queue_is_no_failure_and_makes_wait(self, workbench):
        workbench.arm("fail_batch", "openai", times=1, code="token_limit_exceeded", message="Limit: 2,000,000 tokens")
        workbench.backfill(MINI, analysis_count=1)
        workbench.settle()
        assert workbench.states() == {"released": PALETTES}
        assert "nothing is sent until" in progress(workbench).waits_for
        assert workbench.pipeline.send_on().batches == ()
        workbench.rows("UPDATE refused_batches SET refused_at = refused_at - INTERVAL 2 DAYS")
        assert workbench.pipeline.send_on().request_count == PALETTES
        workbench.settle()
        assert workbench.states() == {"released": PALETTES, "succeeded": PALETTES}


class TestPinned:
    def test_palettes_imported_later_are_not_in_it(self, narrow, sample_rows, tmp_path):
        order(narrow)
        (tmp_path / "new.txt").write_text(sample_rows[10]["seed"])
        narrow.pipeline.import_palettes([tmp_path / "new.txt"])
        assert progress(narrow).counts.asked == REQUESTS
        again = order(narrow)
        assert (again.order, again.planned_requests) == (2, ANALYSES)

    def test_a_second_backfill_orders_only_what_is_new(self, narrow):
        order(narrow)
        assert order(narrow).order is None
        more = narrow.backfill(HAIKU, analysis_count=ANALYSES + 1)
        assert (more.order, more.planned_requests) == (2, PALETTES)

    def test_a_limit_bounds_the_palettes(self, narrow):
        assert order(narrow, limit=1).planned_requests == ANALYSES
        assert order(narrow, limit=1).planned_requests == ANALYSES
        assert narrow.value("SELECT count(DISTINCT seed) FROM tag_requests") == 2

    @pytest.mark.parametrize(
        ("statement", "reason"),
        [
            ("UPDATE orders SET prompt_version = '0'", "another tagging prompt"),
            ("UPDATE order_parts SET model = 'gone'", "not in the catalogue"),
        ],
    )
    def test_what_cannot_be_sent_any_more_closes_with_its_reason(self, narrow, statement, reason):
        order(narrow)
        narrow.rows(statement)
        narrow.pipeline.send_on()
        ((closed_reason,),) = closed(narrow)
        assert reason in closed_reason
        assert narrow.provider_request_count() == 8

    def test_a_model_that_its_provider_retires_closes_its_part(self, narrow):
        order(narrow)
        narrow.rows("UPDATE orders SET include_retired = false")
        narrow.pipeline.send_on()
        ((closed_reason,),) = closed(narrow)
        assert load_catalogue().model(HAIKU).retired()
        assert "retired" in closed_reason


class TestCap:
    def test_other_open_orders_count(self, narrow):
        planned = order(narrow).planned_cost_usd
        with pytest.raises(CostCapError, match="outstanding or spent in open orders"):
            narrow.backfill(MINI, analysis_count=1, max_cost_usd=planned)
        assert narrow.value("SELECT count(*) FROM orders") == 1

    def test_an_order_stops_at_its_cap_and_goes_on_when_it_is_raised(self, narrow):
        planned = order(narrow).planned_cost_usd
        narrow.pipeline.change_cap(1, planned * 8 / REQUESTS)
        end_all(narrow)
        spent = narrow.value("SELECT sum(cost_usd) FROM tag_batches")
        narrow.pipeline.change_cap(1, spent)
        assert narrow.pipeline.send_on().batches == ()
        assert (progress(narrow).is_capped, progress(narrow).is_stuck) == (True, True)
        assert "grabient resume --order 1 --max-cost" in progress(narrow).waits_for
        narrow.pipeline.change_cap(1, 25)
        assert narrow.pipeline.send_on().request_count == REQUESTS - 8

    def test_an_unknown_order_has_no_cap(self, workbench):
        with pytest.raises(UnknownOrderError, match="no order is open"):
            workbench.pipeline.change_cap(7, 1)


class TestEnding:
    def test_what_waits_is_not_sent_and_what_is_under_way_is_kept(self, narrow):
        order(narrow)
        parts, outcomes = narrow.pipeline.cancel_orders([1], keep_batches=True)
        assert ([part.name for part in parts], outcomes) == ([HAIKU], [])
        end_all(narrow)
        assert narrow.pipeline.send_on().batches == ()
        assert (closed(narrow), narrow.value("SELECT count(*) FROM palette_tags")) == ([("cancelled",)], 8)

    def test_its_batches_are_cancelled_too(self, narrow):
        order(narrow)
        _, outcomes = narrow.pipeline.cancel_orders()
        assert len(outcomes) == 4
        assert narrow.pipeline.open_orders() == []

    def test_a_batch_that_a_person_cancels_is_not_sent_again(self, narrow):
        (first, *_) = order(narrow).batches
        narrow.pipeline.cancel([first.submission])
        end_all(narrow)
        assert narrow.pipeline.send_on().batches == ()
        assert "was cancelled" in closed(narrow)[0][0]
