"""Batches and requests are recorded, with a claim and within the cost cap, before anything is sent."""

from __future__ import annotations

import json
import os

import duckdb
import pytest

from grabient_pipeline.batches.custom_ids import model_digest
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import CostCapError
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.prices import batch_price

MINI = "openai/gpt-4o-mini"
NANO = "openai/gpt-5-nano"
HAIKU = "anthropic/claude-3-5-haiku-20241022"
OSS = "groq/openai/gpt-oss-20b"
FLASH = "google/gemini-2.5-flash-lite"


class TestReserving:
    def test_a_batch_is_recorded_with_its_model_parameters_and_price_list(self, workbench):
        report = workbench.backfill(MINI, analysis_count=2)
        (batch,) = report.batches
        assert (report.request_count, batch.request_count, batch.error) == (6, 6, None)
        ((submission, stage, provider, model, endpoint, status, count, parameters),) = workbench.rows(
            "SELECT submission, stage, provider, model, endpoint, status, request_count, parameters FROM tag_batches"
        )
        assert (submission, stage, provider, model) == (batch.submission, "tagging", "openai", "gpt-4o-mini")
        assert (status, count) == ("submitted", 6)
        assert endpoint == f"127.0.0.1:{workbench.server.port}"
        parameters = json.loads(parameters)
        assert parameters["temperature"] == 0.8
        assert parameters["structured_output"] == "json_schema"
        assert parameters["price_list"].startswith("genai-prices ")

    def test_requests_are_recorded_with_custom_id_analysis_index_and_prompt_version(self, workbench):
        (batch,) = workbench.backfill(MINI, analysis_count=2).batches
        rows = workbench.rows(
            "SELECT custom_id, seed, submission, analysis_index, attempt, state, prompt_version FROM tag_requests"
        )
        ledger = workbench.value("SELECT ledger_id FROM config")
        model, version = model_digest("openai", "gpt-4o-mini"), TAGGING.prompt.version
        assert sorted(rows) == sorted(
            (
                f"{batch.submission}_{ledger}_t{index:02d}_{palette_id}_{model}_{version[:8]}",
                *(seed, batch.submission, index, 1, "in_flight", version),
            )
            for seed, palette_id in workbench.rows("SELECT seed, palette_id FROM palettes")
            for index in range(2)
        )
        assert workbench.value("SELECT count(DISTINCT claim) FROM request_claims") == 6

    def test_the_requests_of_a_file_are_those_of_the_ledger_in_the_order_of_the_palettes(self, workbench):
        (batch,) = workbench.backfill(MINI, analysis_count=2).batches
        (sent,) = workbench.provider_batches()
        lines = workbench.server.sandbox.store.content("openai", sent.input).read_bytes().splitlines()
        ordered = workbench.rows(
            "SELECT custom_id FROM tag_requests JOIN palettes USING (seed) ORDER BY palettes.created_at, analysis_index"
        )
        assert [(json.loads(line)["custom_id"],) for line in lines] == ordered
        assert {custom_id[:17] for (custom_id,) in ordered} == {f"{batch.submission}_"}

    def test_the_complete_prompt_is_stored_once(self, workbench):
        workbench.backfill(MINI, NANO, analysis_count=1)
        assert workbench.rows("SELECT version, stage, content FROM prompt_versions") == [
            (TAGGING.prompt.version, "tagging", TAGGING.prompt.content)
        ]

    def test_the_estimate_is_tokens_times_price(self, workbench):
        (batch,) = workbench.backfill(MINI, analysis_count=1).batches
        tokens_in, tokens_out, cost = workbench.rows(
            "SELECT estimated_input_tokens, estimated_output_tokens, estimated_cost_usd FROM tag_batches"
        )[0]
        model = load_catalogue().model(MINI)
        assert tokens_out == 3 * model.expected_output_tokens
        assert cost == pytest.approx(batch_price(model).cost(tokens_in, tokens_out)) == batch.estimated_cost_usd

    @pytest.mark.parametrize("model", [MINI, HAIKU, OSS, FLASH])
    def test_the_estimate_is_conservative_but_at_most_three_times_the_cost(self, workbench, model):
        workbench.backfill(model, analysis_count=4)
        workbench.settle()
        estimated, paid = workbench.rows("SELECT estimated_cost_usd, cost_usd FROM tag_batches")[0]
        assert paid <= estimated <= 3 * paid

    def test_the_database_rejects_a_second_claim(self, workbench):
        """The rule against paying twice is a constraint, not a habit of this code."""
        workbench.backfill(MINI, analysis_count=1)
        with workbench.pipeline.warehouse.connect() as connection, pytest.raises(duckdb.ConstraintException):
            connection.execute("INSERT INTO request_claims SELECT claim, 'another' FROM request_claims LIMIT 1")

    def test_only_requests_in_flight_or_succeeded_have_a_claim(self, workbench):
        workbench.arm("expire", "openai", times=1, share=0.5)
        workbench.backfill(MINI, OSS, analysis_count=2)
        workbench.settle()
        assert workbench.states()["released"] == 3
        assert workbench.rows("SELECT custom_id FROM request_claims ORDER BY 1") == workbench.rows(
            "SELECT custom_id FROM tag_requests WHERE state IN ('in_flight', 'succeeded') ORDER BY 1"
        )

    def test_batches_are_split_at_the_limit_of_the_provider(self, workbench, monkeypatch):
        small = load_catalogue().provider("openai").model_copy(update={"max_requests": 4})
        monkeypatch.setitem(load_catalogue().providers, "openai", small)
        report = workbench.backfill(MINI, analysis_count=3)
        assert [batch.request_count for batch in report.batches] == [3, 3, 3]
        assert workbench.provider_request_count() == 9
        workbench.settle()
        assert workbench.value("SELECT count(*) FROM palette_tags") == 9


class TestCap:
    def test_above_the_cap_nothing_is_written_and_nothing_is_sent(self, workbench):
        before = workbench.ledger()
        with pytest.raises(CostCapError, match=r"\d+ requests are estimated to cost \$.*--max-cost") as refused:
            workbench.backfill(MINI, HAIKU, analysis_count=8, max_cost_usd=0.001)
        assert "\n" not in str(refused.value)
        assert workbench.ledger() == before
        assert workbench.provider_request_count() == 0

    def test_pending_batches_count(self, workbench):
        estimate = workbench.backfill(MINI, analysis_count=4, dry_run=True).estimated_cost_usd
        cap = 1.5 * estimate
        workbench.backfill(MINI, analysis_count=4, max_cost_usd=cap)
        with pytest.raises(CostCapError):
            workbench.backfill(MINI, analysis_count=8, max_cost_usd=cap)
        workbench.settle()
        assert workbench.backfill(MINI, analysis_count=8, max_cost_usd=cap).request_count == 12

    def test_batches_that_may_exist_count_and_rejected_ones_do_not(self, workbench):
        estimate = workbench.backfill(MINI, analysis_count=4, dry_run=True).estimated_cost_usd
        workbench.arm("refuse", "openai", times=1, status=400)
        workbench.backfill(MINI, analysis_count=4, max_cost_usd=1.5 * estimate)
        workbench.arm("create_then_500", "openai", times=1)
        workbench.backfill(MINI, analysis_count=4, max_cost_usd=1.5 * estimate)
        with pytest.raises(CostCapError, match="is outstanding|above the cap"):
            workbench.backfill(NANO, analysis_count=8, max_cost_usd=1.5 * estimate)

    def test_two_concurrent_processes_cannot_exceed_it_together(self, workbench, run_python):
        estimate = workbench.backfill(MINI, OSS, analysis_count=4, dry_run=True)
        dearest = max(batch.estimated_cost_usd for batch in estimate.batches)
        code = """
import sys
from pathlib import Path
from grabient_pipeline.errors import CostCapError
from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
pipeline = Pipeline(Settings(Path(sys.argv[1]), sandbox=True))
print("ready", flush=True)
sys.stdin.readline()
try:
    request = BackfillRequest(models=[sys.argv[2]], analysis_count=4, max_cost_usd=float(sys.argv[3]))
    print(pipeline.backfill(request).request_count)
except CostCapError:
    print("refused")
"""
        environment = {**os.environ, **workbench.environment}
        processes = [
            run_python(code, workbench.settings.data_dir, model, dearest * 1.01, environment=environment)
            for model in (MINI, OSS)
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        outputs = sorted(process.communicate("go\n", timeout=60)[0].strip() for process in processes)
        assert outputs == ["12", "refused"]
        assert workbench.provider_request_count() == 12

    def test_a_cap_of_zero_permits_only_what_is_free(self, workbench):
        with pytest.raises(CostCapError):
            workbench.backfill(MINI, max_cost_usd=0.0)
        workbench.backfill(MINI, analysis_count=1)
        assert workbench.backfill(MINI, analysis_count=1, max_cost_usd=0.0).request_count == 0
