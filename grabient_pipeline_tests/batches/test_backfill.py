"""A backfill submits what is missing, and nothing twice."""

from __future__ import annotations

import dataclasses
import os

import pytest

from grabient_pipeline.batches.backfill import backfill
from grabient_pipeline.batches.orders import BackfillOrder, BackfillRequest
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.providers.base import Route
from grabient_pipeline.providers.catalogue import load_catalogue

MINI = "openai/gpt-4o-mini"
HAIKU = "anthropic/claude-3-5-haiku-20241022"
OSS = "groq/openai/gpt-oss-20b"


class TestRequestedOnce:
    def test_repeating_a_backfill_submits_nothing(self, workbench):
        workbench.backfill(MINI, HAIKU, analysis_count=2)
        for again in (workbench.backfill(MINI, HAIKU, analysis_count=2), None):
            if again is None:
                workbench.settle()
                again = workbench.backfill(MINI, HAIKU, analysis_count=2)
            assert (again.batches, again.failures, again.request_count) == ((), {}, 0)
        assert workbench.provider_request_count() == 12
        assert workbench.creations() == 2

    def test_two_concurrent_processes_submit_each_request_once(self, workbench, run_python):
        code = """
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
            run_python(code, workbench.settings.data_dir, *order, environment=environment)
            for order in ([MINI, OSS], [OSS, MINI])
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        outputs = []
        for process in processes:
            output, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
            outputs.append(output)
        assert sum(int(line.split()[0]) for line in outputs) == 18, outputs
        assert all("{}" in line for line in outputs), outputs
        assert workbench.provider_request_count() == 18
        workbench.settle()
        assert workbench.value("SELECT count(*) FROM palette_tags") == 18
        bills = workbench.server.sandbox.billed()
        assert [bills[key]["questions_by_times_billed"] for key in ("openai", "groq")] == [{"3": 3}, {"3": 3}]

    def test_a_higher_analysis_count_submits_only_the_new_analyses(self, workbench):
        workbench.backfill(MINI, analysis_count=2)
        report = workbench.backfill(MINI, analysis_count=5)
        assert report.request_count == 9
        assert workbench.rows(
            "SELECT analysis_index, count(*) FROM tag_requests GROUP BY 1 ORDER BY 1"
        ) == [(index, 3) for index in range(5)]  # fmt: skip
        assert workbench.backfill(MINI, analysis_count=1).request_count == 0

    def test_only_a_new_palette_is_submitted(self, workbench, sample_rows, tmp_path):
        workbench.backfill(MINI, analysis_count=2)
        (tmp_path / "new.txt").write_text(sample_rows[10]["seed"])
        workbench.pipeline.import_palettes([tmp_path / "new.txt"])
        assert workbench.backfill(MINI, analysis_count=2).request_count == 2

    def test_another_encoding_of_a_known_palette_is_not_submitted(self, workbench, sample_rows, tmp_path):
        workbench.backfill(MINI, analysis_count=2)
        spellings = [row[kind] for row in sample_rows[:3] for kind in ("aligned", "decimal", "legacy")]
        (tmp_path / "again.txt").write_text("\n".join(spellings))
        workbench.pipeline.import_palettes([tmp_path / "again.txt"])
        assert workbench.backfill(MINI, analysis_count=2).request_count == 0

    def test_on_request_a_new_prompt_submits_everything_again_and_keeps_the_old_responses(self, workbench):
        workbench.backfill(MINI, analysis_count=1)
        workbench.settle()
        stage = dataclasses.replace(TAGGING, prompt=dataclasses.replace(TAGGING.prompt, system="Tag it, in JSON."))
        order = BackfillOrder((load_catalogue().model(MINI),), 1, 25.0)
        assert backfill(workbench.pipeline.workspace, order, stage=stage).request_count == 0
        report = backfill(workbench.pipeline.workspace, dataclasses.replace(order, anew=True), stage=stage)
        assert report.request_count == 3
        assert stage.prompt.version != TAGGING.prompt.version
        workbench.settle()
        assert workbench.rows("SELECT prompt_version, count(tags) FROM palette_tags GROUP BY 1 ORDER BY 1") == sorted(
            [(TAGGING.prompt.version, 3), (stage.prompt.version, 3)]
        )
        assert workbench.value("SELECT count(*) FROM prompt_versions") == 2

    def test_released_requests_are_submitted_again_as_a_second_attempt(self, workbench):
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
        assert workbench.provider_request_count() == 3

    def test_requests_that_failed_three_times_are_quarantined(self, workbench):
        workbench.lose_patience()
        workbench.arm("missing_rows", "openai", count=3)
        for attempt in (1, 2, 3):
            assert workbench.backfill(MINI, analysis_count=1).request_count == 3
            workbench.settle()
            assert workbench.states() == {"failed": 3 * attempt}
        workbench.disarm()
        assert workbench.backfill(MINI, analysis_count=1).request_count == 0
        assert workbench.pipeline.status().resting_requests == 3
        assert workbench.backfill(MINI, analysis_count=2).request_count == 3


class TestOptions:
    def test_a_dry_run_writes_nothing_and_calls_no_provider(self, workbench):
        before = workbench.ledger()
        report = workbench.backfill(MINI, HAIKU, analysis_count=3, dry_run=True, max_cost_usd=0.0)
        assert (report.dry_run, report.request_count, len(report.batches)) == (True, 18, 2)
        assert report.estimated_cost_usd > 0
        assert workbench.ledger() == before
        assert not workbench.server.sandbox.requests
        assert not workbench.settings.published.exists()

    @pytest.mark.parametrize(("limit", "request_count"), [(1, 2), (2, 4), (99, 6)])
    def test_a_limit_selects_the_oldest_palettes(self, workbench, limit, request_count):
        report = workbench.backfill(MINI, OSS, analysis_count=2, limit=limit)
        assert [batch.request_count for batch in report.batches] == [request_count, request_count]
        oldest = workbench.rows("SELECT seed FROM palettes ORDER BY created_at LIMIT $1", [limit])
        assert set(workbench.rows("SELECT seed FROM tag_requests")) == set(oldest)

    def test_a_repeated_limit_continues_with_the_next_palettes(self, workbench):
        for _ in range(3):
            assert workbench.backfill(MINI, analysis_count=2, limit=1).request_count == 2
        assert workbench.backfill(MINI, analysis_count=2, limit=1).request_count == 0

    @pytest.mark.parametrize("count", [0, -1, 21, 1000])
    def test_an_invalid_analysis_count_is_rejected(self, workbench, count):
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
    def test_invalid_options_are_rejected(self, workbench, options):
        with pytest.raises(SettingsError):
            workbench.backfill(MINI, **options)

    def test_the_analysis_count_defaults_to_the_setting(self, workbench):
        workbench.pipeline.set_analysis_count(20)
        assert workbench.backfill(MINI, dry_run=True).request_count == 60

    def test_without_palettes_nothing_is_submitted(self, workbench):
        workbench.rows("DELETE FROM palettes")
        report = workbench.backfill(MINI, OSS)
        assert (report.batches, report.failures) == ((), {})

    def test_a_provider_without_a_key_is_left_out(self, workbench):
        del workbench.environment["GROQ_API_KEY"]
        report = workbench.backfill(MINI, OSS, analysis_count=1)
        assert report.request_count == 3
        assert "GROQ_API_KEY is not set" in report.left_out[0]

    def test_a_wrong_key_does_not_affect_other_providers(self, workbench):
        workbench.environment["GROQ_API_KEY"] = "wrong-key"
        report = workbench.backfill(MINI, OSS, analysis_count=1)
        assert report.request_count == 3
        assert "401" in report.failures[Route("groq")]
        assert workbench.rows("SELECT provider FROM tag_batches") == [("openai",)]

    def test_backfill_requests_with_equal_options_are_equal(self, workbench):
        assert BackfillRequest() == BackfillRequest(models=(), providers=())
