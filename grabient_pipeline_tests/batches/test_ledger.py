"""Reserving and submitting: whatever happens, nothing is asked, and paid for, twice."""

from __future__ import annotations

import dataclasses
import json
import os

import duckdb
import pytest

from grabient_pipeline.batches import submit
from grabient_pipeline.batches.backfill import backfill
from grabient_pipeline.batches.orders import BackfillOrder, BackfillRequest
from grabient_pipeline.batches.request_file import RequestTemplate
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import CostCapError, SettingsError, WarehouseBusy
from grabient_pipeline.providers.base import Route
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.prices import batch_price

MINI = "openai/gpt-4o-mini"
NANO = "openai/gpt-5-nano"
HAIKU = "anthropic/claude-3-5-haiku-20241022"
OSS = "groq/openai/gpt-oss-20b"
FLASH = "google/gemini-2.5-flash-lite"

TABLES = (
    "tag_batches", "tag_requests", "request_claims", "tag_responses", "prompt_versions", "collection_findings",
)  # fmt: skip


def contents(workbench):
    return {table: workbench.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in TABLES}  # noqa: S608


class TestReserving:
    def test_what_is_written_down_of_a_batch(self, workbench):
        report = workbench.backfill(MINI, analysis_count=2)
        (batch,) = report.batches
        assert (report.request_count, batch.request_count, batch.error) == (6, 6, None)
        ((token, stage, provider, model, endpoint, status, count, parameters),) = workbench.rows(
            "SELECT submission, stage, provider, model, endpoint, status, request_count, parameters FROM tag_batches"
        )
        assert (token, stage, provider, model) == (batch.submission, "tagging", "openai", "gpt-4o-mini")
        assert (status, count) == ("submitted", 6)
        assert endpoint == f"127.0.0.1:{workbench.server.port}"
        parameters = json.loads(parameters)
        assert parameters["temperature"] == 0.8
        assert parameters["structured_output"] == "json_schema"
        assert parameters["price_list"].startswith("genai-prices ")

    def test_what_is_written_down_of_its_requests(self, workbench):
        (batch,) = workbench.backfill(MINI, analysis_count=2).batches
        rows = workbench.rows(
            "SELECT custom_id, submission, analysis_index, attempt, state, prompt_version FROM tag_requests ORDER BY 1"
        )
        version = TAGGING.prompt.version
        assert rows == [
            (f"{batch.submission}_{row:06d}", batch.submission, row % 2, 1, "in_flight", version) for row in range(6)
        ]
        seeds = workbench.rows("SELECT seed FROM palettes ORDER BY created_at")
        assert workbench.rows("SELECT seed FROM tag_requests WHERE analysis_index = 0 ORDER BY custom_id") == seeds
        assert workbench.value("SELECT count(DISTINCT claim) FROM request_claims") == 6

    def test_the_prompt_is_kept_whole(self, workbench):
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
    def test_the_estimate_errs_on_the_dear_side_but_not_by_far(self, workbench, model):
        workbench.backfill(model, analysis_count=4)
        workbench.settle()
        estimated, paid = workbench.rows("SELECT estimated_cost_usd, cost_usd FROM tag_batches")[0]
        assert paid <= estimated <= 3 * paid

    def test_the_database_refuses_a_second_claim(self, workbench):
        """The rule against paying twice holds for whoever writes, not only for this code."""
        workbench.backfill(MINI, analysis_count=1)
        with workbench.pipeline.warehouse.connect() as connection, pytest.raises(duckdb.ConstraintException):
            connection.execute("INSERT INTO request_claims SELECT claim, 'another' FROM request_claims LIMIT 1")

    def test_the_claims_are_those_of_what_is_in_flight_or_has_succeeded(self, workbench):
        workbench.arm("expire", "openai", times=1, share=0.5)
        workbench.backfill(MINI, OSS, analysis_count=2)
        workbench.settle()
        assert workbench.states()["released"] == 3
        assert workbench.rows("SELECT custom_id FROM request_claims ORDER BY 1") == workbench.rows(
            "SELECT custom_id FROM tag_requests WHERE state IN ('in_flight', 'succeeded') ORDER BY 1"
        )

    def test_batches_are_cut_where_a_provider_wants_it(self, workbench, monkeypatch):
        small = load_catalogue().provider("openai").model_copy(update={"max_requests": 4})
        monkeypatch.setitem(load_catalogue().providers, "openai", small)
        report = workbench.backfill(MINI, analysis_count=3)
        assert [batch.request_count for batch in report.batches] == [3, 3, 3]
        assert workbench.requests_there() == 9
        workbench.settle()
        assert workbench.value("SELECT count(*) FROM palette_tags") == 9


class TestAskingOnce:
    def test_the_same_backfill_again_submits_nothing(self, workbench):
        workbench.backfill(MINI, HAIKU, analysis_count=2)
        for again in (workbench.backfill(MINI, HAIKU, analysis_count=2), None):
            if again is None:
                workbench.settle()
                again = workbench.backfill(MINI, HAIKU, analysis_count=2)
            assert (again.batches, again.failures, again.request_count) == ((), {}, 0)
        assert workbench.requests_there() == 12
        assert workbench.creations() == 2

    def test_two_processes_at_the_same_time_submit_each_request_once(self, workbench, run_python):
        text = """
import sys
from pathlib import Path
from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
pipeline = Pipeline(Settings(Path(sys.argv[1]), sandbox=True))
print("ready", flush=True)
sys.stdin.readline()
report = pipeline.backfill(BackfillRequest(models=sys.argv[2:], analysis_count=3))
print(report.request_count, dict(report.failures))
"""
        environment = {**os.environ, **workbench.environment}
        processes = [
            run_python(text, workbench.settings.data_dir, *order, environment=environment)
            for order in ([MINI, OSS], [OSS, MINI])
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = []
        for process in processes:
            output, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
            said.append(output)
        assert sum(int(line.split()[0]) for line in said) == 18, said
        assert all("{}" in line for line in said), said
        assert workbench.requests_there() == 18
        workbench.settle()
        assert workbench.value("SELECT count(*) FROM palette_tags") == 18
        bills = workbench.server.sandbox.billed()
        assert [bills[key]["questions_by_times_billed"] for key in ("openai", "groq")] == [{"3": 3}, {"3": 3}]

    def test_more_analyses_ask_for_the_new_ones_only(self, workbench):
        workbench.backfill(MINI, analysis_count=2)
        report = workbench.backfill(MINI, analysis_count=5)
        assert report.request_count == 9
        assert workbench.rows(
            "SELECT analysis_index, count(*) FROM tag_requests GROUP BY 1 ORDER BY 1"
        ) == [(index, 3) for index in range(5)]  # fmt: skip
        assert workbench.backfill(MINI, analysis_count=1).request_count == 0

    def test_a_new_palette_is_asked_about_and_no_other(self, workbench, sample_rows, tmp_path):
        workbench.backfill(MINI, analysis_count=2)
        (tmp_path / "new.txt").write_text(sample_rows[10]["seed"])
        workbench.pipeline.import_palettes([tmp_path / "new.txt"])
        assert workbench.backfill(MINI, analysis_count=2).request_count == 2

    def test_another_spelling_is_not_asked_about(self, workbench, sample_rows, tmp_path):
        workbench.backfill(MINI, analysis_count=2)
        spellings = [row[kind] for row in sample_rows[:3] for kind in ("aligned", "decimal", "legacy")]
        (tmp_path / "again.txt").write_text("\n".join(spellings))
        workbench.pipeline.import_palettes([tmp_path / "again.txt"])
        assert workbench.backfill(MINI, analysis_count=2).request_count == 0

    def test_another_prompt_asks_anew_and_keeps_what_was_answered(self, workbench):
        workbench.backfill(MINI, analysis_count=1)
        workbench.settle()
        stage = dataclasses.replace(TAGGING, prompt=dataclasses.replace(TAGGING.prompt, system="Tag it, in JSON."))
        order = BackfillOrder((load_catalogue().model(MINI),), 1, 25.0)
        report = backfill(workbench.pipeline.workspace, order, stage=stage)
        assert report.request_count == 3
        assert stage.prompt.version != TAGGING.prompt.version
        workbench.settle()
        assert workbench.rows("SELECT prompt_version, count(tags) FROM palette_tags GROUP BY 1 ORDER BY 1") == sorted(
            [(TAGGING.prompt.version, 3), (stage.prompt.version, 3)]
        )
        assert workbench.value("SELECT count(*) FROM prompt_versions") == 2

    def test_released_requests_are_asked_again_as_a_second_attempt(self, workbench):
        workbench.arm("refuse", "openai", times=1, status=429)
        first = workbench.backfill(MINI, analysis_count=1)
        assert "429" in first.failures[Route("openai")]
        assert workbench.rows("SELECT status, error IS NOT NULL FROM tag_batches") == [("released", True)]
        assert (workbench.states(), workbench.value("SELECT count(*) FROM request_claims")) == ({"released": 3}, 0)
        second = workbench.backfill(MINI, analysis_count=1)
        assert (second.request_count, second.failures) == (3, {})
        assert workbench.rows("SELECT attempt, state, count(*) FROM tag_requests GROUP BY ALL ORDER BY 1") == [
            (1, "released", 3),
            (2, "in_flight", 3),
        ]
        assert workbench.requests_there() == 3

    def test_what_has_failed_three_times_rests(self, workbench):
        workbench.arm("missing_rows", "openai", count=3)
        for attempt in (1, 2, 3):
            assert workbench.backfill(MINI, analysis_count=1).request_count == 3
            workbench.settle()
            assert workbench.states() == {"failed": 3 * attempt}
        workbench.disarm()
        assert workbench.backfill(MINI, analysis_count=1).request_count == 0
        assert workbench.pipeline.status().resting_requests == 3
        assert workbench.backfill(MINI, analysis_count=2).request_count == 3


class TestCap:
    def test_above_the_cap_nothing_is_written_and_nothing_is_sent(self, workbench):
        before = contents(workbench)
        with pytest.raises(CostCapError, match=r"\d+ requests are estimated to cost \$.*--max-cost") as refused:
            workbench.backfill(MINI, HAIKU, analysis_count=8, max_cost_usd=0.001)
        assert "\n" not in str(refused.value)
        assert contents(workbench) == before
        assert workbench.requests_there() == 0

    def test_what_is_under_way_counts(self, workbench):
        estimate = workbench.backfill(MINI, analysis_count=4, dry_run=True).estimated_cost_usd
        cap = 1.5 * estimate
        workbench.backfill(MINI, analysis_count=4, max_cost_usd=cap)
        with pytest.raises(CostCapError):
            workbench.backfill(MINI, analysis_count=8, max_cost_usd=cap)
        workbench.settle()
        assert workbench.backfill(MINI, analysis_count=8, max_cost_usd=cap).request_count == 12

    def test_what_may_be_there_counts_and_what_was_refused_does_not(self, workbench):
        estimate = workbench.backfill(MINI, analysis_count=4, dry_run=True).estimated_cost_usd
        workbench.arm("refuse", "openai", times=1, status=400)
        workbench.backfill(MINI, analysis_count=4, max_cost_usd=1.5 * estimate)
        workbench.arm("create_then_500", "openai", times=1)
        workbench.backfill(MINI, analysis_count=4, max_cost_usd=1.5 * estimate)
        with pytest.raises(CostCapError, match="is outstanding|above the cap"):
            workbench.backfill(NANO, analysis_count=8, max_cost_usd=1.5 * estimate)

    def test_two_processes_cannot_both_fit_under_it(self, workbench, run_python):
        estimate = workbench.backfill(MINI, OSS, analysis_count=4, dry_run=True)
        dearest = max(batch.estimated_cost_usd for batch in estimate.batches)
        text = """
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
            run_python(text, workbench.settings.data_dir, model, dearest * 1.01, environment=environment)
            for model in (MINI, OSS)
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        said = sorted(process.communicate("go\n", timeout=60)[0].strip() for process in processes)
        assert said == ["12", "refused"]
        assert workbench.requests_there() == 12

    def test_a_cap_of_nothing(self, workbench):
        with pytest.raises(CostCapError):
            workbench.backfill(MINI, max_cost_usd=0.0)
        workbench.backfill(MINI, analysis_count=1)
        assert workbench.backfill(MINI, analysis_count=1, max_cost_usd=0.0).request_count == 0


class TestOrders:
    def test_a_dry_run_writes_nothing_and_calls_nobody(self, workbench):
        before = contents(workbench)
        report = workbench.backfill(MINI, HAIKU, analysis_count=3, dry_run=True, max_cost_usd=0.0)
        assert (report.dry_run, report.request_count, len(report.batches)) == (True, 18, 2)
        assert report.estimated_cost_usd > 0
        assert contents(workbench) == before
        assert not workbench.server.sandbox.requests
        assert not workbench.settings.published.exists()

    @pytest.mark.parametrize(("limit", "asked"), [(1, 2), (2, 4), (99, 6)])
    def test_a_limit_of_palettes(self, workbench, limit, asked):
        report = workbench.backfill(MINI, OSS, analysis_count=2, limit=limit)
        assert [batch.request_count for batch in report.batches] == [asked, asked]
        oldest = workbench.rows("SELECT seed FROM palettes ORDER BY created_at LIMIT $1", [limit])
        assert set(workbench.rows("SELECT seed FROM tag_requests")) == set(oldest)

    def test_a_limit_goes_on_where_the_last_one_stopped(self, workbench):
        for _ in range(3):
            assert workbench.backfill(MINI, analysis_count=2, limit=1).request_count == 2
        assert workbench.backfill(MINI, analysis_count=2, limit=1).request_count == 0

    @pytest.mark.parametrize("count", [0, -1, 21, 1000])
    def test_an_analysis_count_that_is_none(self, workbench, count):
        for attempt in (
            lambda: workbench.backfill(MINI, analysis_count=count),
            lambda: workbench.pipeline.set_analysis_count(count),
        ):
            with pytest.raises(SettingsError, match="from 1 to 20"):
                attempt()
        assert workbench.pipeline.analysis_count() == 8

    @pytest.mark.parametrize(
        "options", [{"limit": 0}, {"limit": -1}, {"max_cost_usd": -1}, {"max_cost_usd": float("nan")}]
    )
    def test_other_orders_that_make_no_sense(self, workbench, options):
        with pytest.raises(SettingsError):
            workbench.backfill(MINI, **options)

    def test_the_count_is_taken_from_the_settings(self, workbench):
        workbench.pipeline.set_analysis_count(20)
        assert workbench.backfill(MINI, dry_run=True).request_count == 60

    def test_no_palettes(self, workbench):
        workbench.rows("DELETE FROM palettes")
        report = workbench.backfill(MINI, OSS)
        assert (report.batches, report.failures) == ((), {})

    def test_only_a_key_is_missing(self, workbench):
        del workbench.environment["GROQ_API_KEY"]
        report = workbench.backfill(MINI, OSS, analysis_count=1)
        assert report.request_count == 3
        assert "GROQ_API_KEY is not set" in report.left_out[0]

    def test_one_provider_with_a_wrong_key_takes_nobody_with_it(self, workbench):
        workbench.environment["GROQ_API_KEY"] = "wrong-key"
        report = workbench.backfill(MINI, OSS, analysis_count=1)
        assert report.request_count == 3
        assert "401" in report.failures[Route("groq")]
        assert workbench.rows("SELECT provider FROM tag_batches") == [("openai",)]

    def test_the_file_of_requests_is_gone_afterwards(self, workbench):
        workbench.arm("refuse", "openai", times=1)
        workbench.backfill(MINI, OSS, HAIKU, analysis_count=1)
        assert list(workbench.settings.spool_dir.iterdir()) == []


class TestUncertain:
    @pytest.mark.parametrize("model", [MINI, HAIKU, OSS, FLASH])
    def test_what_may_have_been_made_stays_reserved_and_is_not_asked_again(self, workbench, model):
        workbench.arm("create_then_500")
        report = workbench.backfill(model, analysis_count=1)
        workbench.disarm()
        assert report.request_count == 0
        assert "the batch may exist" in report.failures[Route(model.partition("/")[0])]
        ((status, batch_id, error),) = workbench.rows("SELECT status, batch_id, error FROM tag_batches")
        assert (status, batch_id) == ("reserved", None)
        assert "HTTP 500" in error
        assert workbench.states() == {"in_flight": 3}
        assert workbench.value("SELECT count(*) FROM request_claims") == 3
        assert workbench.backfill(model, analysis_count=1).request_count == 0
        assert (workbench.creations(), workbench.requests_there()) == (1, 3)
        (waiting,) = workbench.pipeline.status().open_batches
        assert (waiting.status, waiting.error) == ("reserved", error)

    def test_a_batch_that_could_not_be_recorded_is_not_released(self, workbench, monkeypatch):
        """The provider has it, and it will be paid for: its requests must not be free for a second asking."""

        def fail(*_):
            raise WarehouseBusy("somebody holds the database for ever")

        with monkeypatch.context() as patched:
            patched.setattr(submit.ledger, "record_submitted", fail)
            with pytest.raises(WarehouseBusy):
                workbench.backfill(MINI, NANO, analysis_count=1)
        made = {batch.custom_id_prefix[:16] for batch in workbench.batches_there()}
        assert len(made) == 1
        for submission in made:
            assert workbench.value("SELECT status FROM tag_batches WHERE submission = $1", [submission]) == "reserved"
        assert workbench.value("SELECT count(*) FROM tag_batches WHERE status = 'released'") == 1
        assert workbench.backfill(MINI, NANO, analysis_count=1).request_count == 3
        assert workbench.requests_there() == 6

    def test_a_file_that_cannot_be_written_releases_its_batch(self, workbench, monkeypatch):
        """A batch whose file cannot be written certainly is at no provider."""

        def fail(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(RequestTemplate, "write", fail)
            report = workbench.backfill(MINI, NANO, OSS, analysis_count=1)
        assert all("nothing was sent" in reason and "No space left" in reason for reason in report.failures.values())
        assert set(report.failures) == {Route("openai"), Route("groq")}
        assert workbench.requests_there() == 0
        assert workbench.rows("SELECT DISTINCT status FROM tag_batches") == [("released",)]
        assert workbench.backfill(MINI, NANO, OSS, analysis_count=1).request_count == 9

    def test_requests_are_the_same_whoever_builds_them(self, workbench):
        assert BackfillRequest() == BackfillRequest(models=(), providers=())
