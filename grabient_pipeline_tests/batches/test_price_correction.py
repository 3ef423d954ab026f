"""What was booked at the price of long requests is computed again, once, when the database is opened."""

from __future__ import annotations

import json
import os
import signal

import duckdb
import pytest

from grabient_pipeline.batches.orders import RefinementRequest
from grabient_pipeline.batches.price_correction import correct_prices, read_price_corrections
from grabient_pipeline.convex import steps
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
from grabient_pipeline_tests import convex_exports as exports
from grabient_pipeline_tests.conftest import copy_template

LUNA = "openai/gpt-6-luna"
MINI = "openai/gpt-4o-mini"

COSTS = """
    SELECT 'batch', submission, input_usd_per_million, output_usd_per_million, estimated_cost_usd, cost_usd
    FROM tag_batches
    UNION ALL SELECT 'responses', custom_id, NULL, NULL, NULL, cost_usd FROM tag_responses
    UNION ALL SELECT 'tags', custom_id, NULL, NULL, NULL, cost_usd FROM palette_tags
    UNION ALL SELECT 'refined', custom_id, NULL, NULL, NULL, cost_usd FROM palette_tag_refined
    ORDER BY ALL
"""
# A request above 272,000 tokens costs twice as much for input and half as much again for output. Costs and estimates
# are computed from tokens, so any other wrong value will do for them.
BOOK_WRONGLY = """
    UPDATE tag_batches
    SET input_usd_per_million = 2 * input_usd_per_million,
        output_usd_per_million = 1.5 * output_usd_per_million,
        estimated_cost_usd = 3 * estimated_cost_usd,
        cost_usd = 3 * cost_usd
    WHERE model = 'gpt-6-luna';
    UPDATE tag_responses SET cost_usd = 3 * cost_usd
    WHERE submission IN (SELECT submission FROM tag_batches WHERE model = 'gpt-6-luna');
    UPDATE palette_tags SET cost_usd = 3 * cost_usd WHERE model = 'gpt-6-luna';
    UPDATE palette_tag_refined SET cost_usd = 3 * cost_usd WHERE model = 'gpt-6-luna';
"""
MARK = "INSERT OR IGNORE INTO pending_steps VALUES ('correct_prices')"
OPEN = """
import sys
from pathlib import Path
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
with Pipeline(Settings(Path(sys.argv[1])), {}).warehouse.connect():
    pass
print("genai_prices" in sys.modules)
"""


def query(settings: Settings, statement: str):
    """Run statements on the database without a pipeline, so that nothing is corrected."""
    with Warehouse.at(settings).connect() as connection:
        return connection.execute(statement).fetchall()


def open_pipeline(settings: Settings):
    """Open the database as every command does; the corrections that it has then."""
    with Pipeline(settings, {}).warehouse.connect() as connection:
        return read_price_corrections(connection)


@pytest.fixture
def ledger(workbench):
    """The settings of a ledger at the right prices: collected, by direct calls, a refinement, and in progress."""
    workbench.pipeline.set_analysis_count(1)
    workbench.backfill(LUNA, MINI, analysis_count=1)
    workbench.settle()
    workbench.pipeline.count_consensus()
    workbench.pipeline.refine(RefinementRequest(model=LUNA))
    workbench.settle()
    workbench.pipeline.refine_answers()
    workbench.backfill(LUNA, analysis_count=2, direct=True)
    workbench.settle()
    workbench.arm("slow_batch", seconds=1000)
    workbench.backfill(LUNA, MINI, analysis_count=3)
    kinds = "SELECT stage, access, cost_usd IS NULL FROM tag_batches WHERE model = 'gpt-6-luna' ORDER BY ALL"
    assert query(workbench.settings, kinds) == [
        ("refinement", "batch", False),
        ("tagging", "batch", False),
        ("tagging", "batch", True),
        ("tagging", "direct", False),
    ]
    return workbench.settings


class TestCorrection:
    def test_the_costs_are_those_of_the_right_price_and_the_difference_is_kept(self, ledger):
        right = query(ledger, COSTS)
        spent = "SELECT sum(cost_usd) FROM tag_batches WHERE model = 'gpt-6-luna'"
        ((right_usd,),) = query(ledger, spent)
        query(ledger, BOOK_WRONGLY + MARK)
        assert query(ledger, COSTS) != [pytest.approx(row) for row in right]
        (correction,) = open_pipeline(ledger)
        # Batches of the other model are among these rows.
        assert query(ledger, COSTS) == [pytest.approx(row) for row in right]
        assert (correction.provider, correction.model, correction.batches) == ("openai", "gpt-6-luna", 4)
        assert correction.booked_usd == pytest.approx(3 * right_usd)
        assert correction.corrected_usd == pytest.approx(right_usd)

    def test_the_cost_is_tokens_at_the_price_of_a_short_request(self, ledger):
        query(ledger, BOOK_WRONGLY + MARK)
        open_pipeline(ledger)
        tokens = """
            SELECT access, sum(usage.input_tokens)::INT, sum(cached_input_tokens)::INT, sum(cache_write_tokens)::INT,
                sum(usage.output_tokens)::INT, any_value(batches.cost_usd)
            FROM tag_responses JOIN tag_batches AS batches USING (submission)
            WHERE model = 'gpt-6-luna' AND stage = 'tagging' GROUP BY access
        """
        # A batch, and ordinary calls at the service tier flex.
        input_usd, cached_usd, written_usd, output_usd = (0.05, 0.005, 0.0625, 0.25)
        for _, tokens_in, cached, written, tokens_out, cost_usd in query(ledger, tokens):
            assert cached > 0
            assert written > 0
            usd = (tokens_in - cached - written) * input_usd + cached * cached_usd + written * written_usd
            assert cost_usd == pytest.approx((usd + tokens_out * output_usd) / 1e6)

    def test_it_is_done_once(self, ledger):
        query(ledger, BOOK_WRONGLY + MARK)
        corrections = open_pipeline(ledger)
        query(ledger, BOOK_WRONGLY)
        after = query(ledger, COSTS)
        assert open_pipeline(ledger) == corrections
        assert query(ledger, COSTS) == after

    def test_a_right_ledger_stays_as_it_is(self, ledger):
        before = query(ledger, COSTS)
        query(ledger, MARK)
        assert open_pipeline(ledger) == ()
        assert query(ledger, COSTS) == before
        assert query(ledger, "FROM pending_steps") == []

    @pytest.mark.parametrize(
        "change", ["input_usd_per_million = 0.07", "model = 'no-such-model'"], ids=["another price", "unknown model"]
    )
    def test_a_batch_that_was_not_booked_at_the_wrong_price_is_left_alone(self, ledger, change):
        query(ledger, f"{BOOK_WRONGLY} UPDATE tag_batches SET {change} WHERE model = 'gpt-6-luna'; {MARK}")  # noqa: S608
        before = query(ledger, COSTS)
        assert open_pipeline(ledger) == ()
        assert query(ledger, COSTS) == before

    def test_the_price_is_that_of_the_day_of_the_batch(self, ledger):
        # gpt-5.6-luna became cheaper on 2026-07-30. Of a million tokens at once: 2 and 9 before, 0.4 and 1.8 since.
        book = """
            UPDATE tag_batches
            SET model = 'gpt-5.6-luna',
                created_at = CASE stage WHEN 'tagging' THEN '2026-07-29 23:59Z' ELSE '2026-07-30 00:00Z' END,
                input_usd_per_million = CASE stage WHEN 'tagging' THEN 1.0 ELSE 0.2 END,
                output_usd_per_million = CASE stage WHEN 'tagging' THEN 4.5 ELSE 0.9 END
            WHERE model = 'gpt-6-luna' AND access = 'batch';
        """
        query(ledger, book + MARK)
        open_pipeline(ledger)
        prices = """
            SELECT DISTINCT stage, input_usd_per_million, output_usd_per_million
            FROM tag_batches WHERE model = 'gpt-5.6-luna' ORDER BY stage
        """
        assert query(ledger, prices) == [("refinement", 0.1, 0.6), ("tagging", 0.5, 3.0)]

    def test_imported_batches_are_corrected_too(self, blank, tmp_path):
        settings = copy_template(blank, tmp_path / "data", sandbox=True)
        tables = exports.export("indexes", palettes=2, analyses=1, models=(("openai", "gpt-6-luna"),))
        in_progress = {
            **tables.documents["tag_batches"][0],
            **exports.document("z", 1),
            "batchId": "batch_in_progress",
            "status": "processing",
            "promptVersion": exports.VERSION,
        }
        del in_progress["completedAt"]
        tables.add("tag_batches", in_progress)
        steps.import_convex(Pipeline(settings, {}), exports.write_zip(tmp_path / "export.zip", tables))
        right = query(settings, COSTS)
        # The batch in progress has an estimate of its cost, without one of its tokens.
        estimates = "SELECT estimated_cost_usd > 0 FROM tag_batches WHERE batch_id = 'batch_in_progress'"
        assert query(settings, estimates) == [(True,)]
        query(settings, BOOK_WRONGLY + MARK)
        (correction,) = open_pipeline(settings)
        assert query(settings, COSTS) == [pytest.approx(row) for row in right]
        assert correction.corrected_usd == pytest.approx(correction.booked_usd / 3)


class TestCrash:
    def test_a_killed_process_leaves_everything_as_it_was(self, ledger, run_python):
        right = query(ledger, COSTS)
        query(ledger, BOOK_WRONGLY + MARK)
        wrong = query(ledger, COSTS)
        killed = run_python(OPEN, ledger.data_dir, environment={**os.environ, "GRABIENT_CRASH_AT": "prices.correcting"})
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL
        assert query(ledger, COSTS) == wrong
        assert query(ledger, "FROM price_corrections") == []
        assert len(open_pipeline(ledger)) == 1
        assert query(ledger, COSTS) == [pytest.approx(row) for row in right]

    def test_a_failure_halfway_leaves_everything_as_it_was(self, ledger):
        # The last statement of the correction fails.
        query(ledger, f"{BOOK_WRONGLY} {MARK}; ALTER TABLE price_corrections RENAME TO elsewhere")
        wrong = query(ledger, COSTS)
        pipeline = Pipeline(ledger, {})
        with pytest.raises(duckdb.Error, match="price_corrections"), pipeline.warehouse.connect():
            pass
        assert query(ledger, COSTS) == wrong
        query(ledger, "ALTER TABLE elsewhere RENAME TO price_corrections")
        with pipeline.warehouse.connect() as connection:
            assert len(read_price_corrections(connection)) == 1
        assert query(ledger, COSTS) != wrong


class TestOpening:
    def test_the_price_list_is_loaded_only_for_a_pending_correction(self, ledger, tmp_path, run_python):
        empty = Settings(tmp_path / "empty")
        empty.create_directories()
        assert query(empty, "FROM pending_steps") == [("correct_prices",)]

        def loaded(settings):
            out, errors = run_python(OPEN, settings.data_dir).communicate(timeout=60)
            assert errors == ""
            return json.loads(out.lower())

        assert not loaded(ledger)
        assert not loaded(empty)
        assert query(empty, "FROM pending_steps") == []
        query(ledger, MARK)
        assert loaded(ledger)

    def test_the_command_that_corrects_says_so_on_standard_error(self, ledger, run_python):
        query(ledger, BOOK_WRONGLY + MARK)
        command = "import sys; from grabient_pipeline.cli import main; sys.argv[1:] = ['status', '--json']; main()"
        environment = {**os.environ, "GRABIENT_DATA_DIR": str(ledger.data_dir)}
        out, errors = run_python(command, environment=environment).communicate(timeout=60)
        assert json.loads(out)["palettes"] == 3
        (line,) = errors.splitlines()
        assert line.startswith(f"{LUNA}: 4 batches booked at the price of long requests; the cost was $")
        # What is published is right.
        assert run_python(command, environment=environment).communicate(timeout=60)[1] == ""

    def test_without_the_marker_nothing_is_corrected(self, ledger):
        query(ledger, BOOK_WRONGLY)
        before = query(ledger, COSTS)
        with Warehouse.at(ledger).connect() as connection:
            assert correct_prices(connection) == ()
        assert query(ledger, COSTS) == before
