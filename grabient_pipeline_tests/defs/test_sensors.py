"""The sensor `poll_batches`, with a real Dagster instance, the real SDKs and the sandbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from grabient_pipeline.batches.adoption import AdoptionReport
from grabient_pipeline.batches.poll import PollReport
from grabient_pipeline.batches.reconcile import ReconcileReport
from grabient_pipeline.batches.stages import REFINEMENT, SENDABLE, STAGES
from grabient_pipeline.batches.tick import TickReport
from grabient_pipeline.defs.sensors import MAX_FAILURES_IN_A_ROW, summarize
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.sandbox.server import SandboxServer
from grabient_pipeline.warehouse import Warehouse
from grabient_pipeline_tests.defs.conftest import COLLECT, materialize, metadata_of, rows, submit_a_batch, tick


class TestSensor:
    """`poll_batches` starts a collect run if, and only if, there is something to collect."""

    def test_without_batches_the_tick_is_skipped(self, data_dir: Path, instance: dg.DagsterInstance) -> None:
        assert tick(instance).skip_message == "nothing is pending"

    def test_a_pending_batch_is_reported_with_its_likely_end(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with SandboxServer(where="thread", batch_seconds=60) as slow:
            for variable, value in slow.environment().items():
                monkeypatch.setenv(variable, value)
            submit_a_batch(instance, seeds_file)
            outcome = tick(instance)
            assert not outcome.run_requests
            assert outcome.skip_message == "1 pending, nothing has ended"
            with Pipeline.from_environment().warehouse.connect() as connection:
                connection.execute(
                    """
                    INSERT INTO tag_batches BY NAME
                    SELECT * REPLACE (
                        'earlier' AS submission, 'batch-earlier' AS batch_id, 'completed' AS status,
                        now() - INTERVAL 3 HOURS AS submitted_at, now() AS completed_at, now() AS collected_at
                    )
                    FROM tag_batches
                    """
                )
            message = tick(instance).skip_message or ""
        assert message.startswith("1 pending, nothing has ended; ")
        assert " likely by " in message
        assert ", nine times out of ten by " in message

    def test_an_ended_batch_starts_a_collect_run(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        submit_a_batch(instance, seeds_file)
        outcome = tick(instance)
        (request,) = outcome.run_requests
        assert request.run_key.endswith("#0")
        # The sensor's page shows no message for a tick that starts a run, but its log does.
        assert "nothing is pending, 1 ended; next: the job collect fetches the results" in capsys.readouterr().err
        assert outcome.cursor is None

    def test_a_collect_run_in_progress_is_not_started_again(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        submit_a_batch(instance, seeds_file)
        (request,) = tick(instance).run_requests
        create_run_for_test(instance, "collect", status=dg.DagsterRunStatus.STARTED, tags=request.tags)
        outcome = tick(instance)
        assert not outcome.run_requests
        assert outcome.skip_message == "nothing is pending, 1 ended; the job collect is running already"

    def test_a_failed_collect_run_is_started_again(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        # Dagster never runs the same key again, not even after a failure.
        submit_a_batch(instance, seeds_file)
        (first,) = tick(instance).run_requests
        create_run_for_test(instance, "collect", status=dg.DagsterRunStatus.FAILURE, tags=first.tags)
        (second,) = tick(instance).run_requests
        assert second.run_key != first.run_key

    def test_a_collect_run_that_failed_after_collecting_is_retried_a_limited_number_of_times(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        """Everything was collected, then a later step failed, so no ended batch would start another run."""
        keys = set()
        for _ in range(MAX_FAILURES_IN_A_ROW):
            create_run_for_test(instance, "collect", status=dg.DagsterRunStatus.FAILURE)
            outcome = tick(instance)
            keys |= {request.run_key for request in outcome.run_requests}
        assert len(keys) == MAX_FAILURES_IN_A_ROW - 1
        assert not outcome.run_requests
        assert f"failed {MAX_FAILURES_IN_A_ROW} times" in (outcome.skip_message or "")
        create_run_for_test(instance, "collect", status=dg.DagsterRunStatus.SUCCESS)
        assert tick(instance).skip_message == "nothing is pending"

    def test_another_refiner_and_prompt_refine_nothing_that_is_refined(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit_a_batch(instance, seeds_file)
        for _ in range(2):
            # The first run submits the refinements, and the second collects them.
            assert tick(instance).run_requests
            assert materialize(instance, *COLLECT).success
        asked = "SELECT model, prompt_version, count(*) FROM tag_requests WHERE stage = 'refinement' GROUP BY ALL"
        before = rows(data_dir, asked)
        assert rows(data_dir, "SELECT count(*) FROM palette_tag_refined WHERE tags IS NOT NULL") == [(2,)]

        stage = replace(REFINEMENT, prompt=replace(REFINEMENT.prompt, system=f"{REFINEMENT.prompt.system} Be brief."))
        monkeypatch.setenv("GRABIENT_REFINEMENT_MODEL", "anthropic/claude-sonnet-5-5")
        for module in ("batches.refine", "batches.plan", "pipeline"):
            monkeypatch.setattr(f"grabient_pipeline.{module}.REFINEMENT", stage)
        monkeypatch.setitem(STAGES, "refinement", stage)
        monkeypatch.setitem(SENDABLE, ("refinement", stage.prompt.version), stage)
        # Even with a run that nothing asks for.
        result = materialize(instance, *COLLECT)
        assert metadata_of(result, "refinement_batches")["batches submitted"] == 0
        assert tick(instance).skip_message == "nothing is pending"
        assert rows(data_dir, asked) == before

    def test_a_busy_database_skips_the_tick(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit_a_batch(instance, seeds_file)
        monkeypatch.setattr("grabient_pipeline.defs.sensors.WAIT_SECONDS", 0.2)
        busy = Warehouse(data_dir / "state" / "warehouse.duckdb", data_dir / "grabient.duckdb")
        with busy.connect():
            outcome = tick(instance)
        assert not outcome.run_requests
        assert "busy" in (outcome.skip_message or "")

    def test_the_tick_fails_if_no_provider_can_be_reached(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with SandboxServer(where="thread", batch_seconds=60) as stopped:
            for variable, value in stopped.environment().items():
                monkeypatch.setenv(variable, value)
            submit_a_batch(instance, seeds_file)
        with pytest.raises(dg.Failure, match="no provider could be reached"):
            tick(instance)


def test_batches_that_there_was_no_time_to_ask_about_are_named() -> None:
    polled = PollReport(postponed=frozenset(map(str, range(12))))
    report = TickReport(ReconcileReport(), AdoptionReport(), polled, (), ())
    assert summarize(report) == "12 pending, nothing has ended, 12 asked at the next poll"
