"""The job `send_on` and its place in the sensor, with a real Dagster instance and the sandbox with small queues."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from grabient_pipeline.batches.account_limits import write_figures
from grabient_pipeline.defs.assets.batches import BackfillConfig
from grabient_pipeline.defs.assets.palettes import PalettesConfig
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.defs.send_on import send_on_job
from grabient_pipeline.defs.sensors import MAX_FAILURES_IN_A_ROW
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.sandbox.server import SandboxServer
from grabient_pipeline_tests.conftest import wait_for_batches
from grabient_pipeline_tests.defs.conftest import materialize, metadata_of, rows, tick

# Of 16 requests, a queue of 8 takes half at once, in pieces of 2.
QUEUE, REQUESTS = 8, 16


@pytest.fixture
def queued(data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch):
    """An order of which half is sent and the rest waits for room; the sandbox whose queue is full."""
    with SandboxServer(batch_seconds=3600, limits={"provider": "anthropic", "requests": QUEUE}) as server:
        for variable, value in server.environment().items():
            monkeypatch.setenv(variable, value)
        allow(QUEUE)
        result = materialize(
            instance,
            "palettes",
            "anthropic_batches",
            palettes=PalettesConfig(files=[seeds_file]),
            anthropic_batches=BackfillConfig(models=["claude-haiku-4-5-20251001"], analysis_count=REQUESTS // 2),
        )
        yield server, metadata_of(result, "anthropic_batches")


def allow(requests: int) -> None:
    """Say how many requests may wait at Anthropic."""
    write_figures(Pipeline.from_environment().warehouse, "anthropic", None, requests=requests)


def end_batches(server: SandboxServer) -> None:
    """End what is with the provider, and let the pipeline know."""
    for batch in server.sandbox.store.batches():
        batch.seconds = 0
    wait_for_batches(server)
    pipeline = Pipeline.from_environment()
    pipeline.poll()
    pipeline.collect()


def send_on(instance: dg.DagsterInstance, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    return send_on_job.execute_in_process(
        instance=instance, resources={"pipeline": PipelineResource()}, raise_on_error=raise_on_error
    )


def jobs_of(outcome) -> list[str]:
    return [request.job_name for request in outcome.run_requests]


class TestJob:
    def test_it_sends_what_there_is_room_for(self, queued, data_dir, instance) -> None:
        server, _ = queued
        end_batches(server)
        result = send_on(instance)
        (event,) = result.get_asset_materialization_events()
        assert event.asset_key == dg.AssetKey("anthropic_batches")
        metadata = {name: entry.value for name, entry in event.event_specific_data.materialization.metadata.items()}
        assert (metadata["batches submitted"], metadata["requests submitted"]) == (4, 8)
        (row,) = metadata["open orders"].records
        assert (row.data["order"], row.data["sent"], row.data["answered"], row.data["waiting"]) == (1, 8, 8, 0)
        assert sum(batch.request_count for batch in server.sandbox.store.batches()) == REQUESTS
        end_batches(server)
        assert rows(data_dir, "SELECT closed_reason FROM orders") == [("complete",)]

    def test_it_says_what_waits_if_nothing_fits(self, queued, instance) -> None:
        server, _ = queued
        result = send_on(instance)
        assert not result.get_asset_materialization_events()
        (event,) = result.get_asset_observation_events()
        observation = event.asset_observation_data.asset_observation
        assert observation.asset_key == dg.AssetKey("anthropic_batches")
        (row,) = observation.metadata["open orders"].value.records
        assert row.data["waiting"] == 8
        assert "8 of 8 requests (set)" in row.data["in use"]
        assert row.data["waits for"] == "room"
        assert row.data["likely end (UTC)"].startswith("at most ")
        assert len(server.sandbox.store.batches()) == 4

    def test_it_fails_with_the_reason_of_a_provider(self, queued, instance) -> None:
        server, _ = queued
        end_batches(server)
        server.sandbox.faults.arm("refuse", "anthropic", status=401)
        result = send_on(instance, raise_on_error=False)
        (event,) = result.get_step_failure_events()
        assert "anthropic: creating the batch failed: HTTP 401" in str(event.step_failure_data.error)

    def test_without_orders_it_does_nothing(self, data_dir, instance) -> None:
        result = send_on(instance)
        assert not result.get_asset_observation_events()
        assert not result.get_asset_materialization_events()


class TestAssetPage:
    def test_the_provider_asset_shows_what_waits(self, queued) -> None:
        _, metadata = queued
        assert (metadata["batches submitted"], metadata["requests submitted"]) == (4, 8)
        (row,) = metadata["open orders"].records
        assert (row.data["model"], row.data["sent"], row.data["waiting"]) == ("claude-haiku-4-5-20251001", 8, 8)
        assert metadata["requests waiting"] == 8
        assert metadata["expected cost of the open orders (USD)"] == pytest.approx(
            2 * metadata["estimated cost (USD)"], rel=0.1
        )

    def test_without_an_open_order_there_is_no_table(self, data_dir, instance, seeds_file) -> None:
        result = materialize(
            instance,
            "palettes",
            "anthropic_batches",
            palettes=PalettesConfig(files=[seeds_file]),
            anthropic_batches=BackfillConfig(models=["claude-haiku-4-5-20251001"], dry_run=True),
        )
        assert "open orders" not in metadata_of(result, "anthropic_batches")


class TestSensor:
    def test_what_waits_for_room_is_named_and_starts_nothing(self, queued, instance) -> None:
        outcome = tick(instance)
        assert not outcome.run_requests
        assert outcome.skip_message == "4 pending, nothing has ended; order 1: 8 sent, 8 wait for room"

    def test_room_starts_the_job_although_nothing_has_ended(self, queued, instance, capsys) -> None:
        allow(100)
        assert jobs_of(tick(instance)) == ["send_on"]
        assert "order 1: 8 sent, 8 wait for the next poll; next: the job send_on sends what there is room for" in (
            capsys.readouterr().err
        )

    def test_both_jobs_may_start_in_one_tick(self, queued, instance) -> None:
        server, _ = queued
        server.sandbox.store.batches()[0].seconds = 0
        assert jobs_of(tick(instance)) == ["collect", "send_on"]
        # A long collection does not hold it up.
        create_run_for_test(instance, "collect", status=dg.DagsterRunStatus.STARTED)
        outcome = tick(instance)
        assert jobs_of(outcome) == ["send_on"]

    def test_a_late_batch_starts_the_job_although_nothing_fits(self, queued, instance, capsys) -> None:
        with Pipeline.from_environment().warehouse.connect() as connection:
            connection.execute("UPDATE orders SET deadline_hours = 1, when_late = 'again'")
            connection.execute("UPDATE tag_batches SET submitted_at = now() - INTERVAL 2 HOURS")
        assert jobs_of(tick(instance)) == ["send_on"]
        assert "4 pending, nothing has ended, 4 late;" in capsys.readouterr().err
        assert send_on(instance).success
        assert tick(instance).run_requests == []

    def test_one_run_at_a_time(self, queued, instance) -> None:
        allow(100)
        create_run_for_test(instance, "send_on", status=dg.DagsterRunStatus.STARTED)
        outcome = tick(instance)
        assert not outcome.run_requests
        assert outcome.skip_message.endswith("; the job send_on is running already")

    def test_after_many_failures_it_is_tried_once_an_hour(self, queued, instance, monkeypatch) -> None:
        allow(100)
        for _ in range(MAX_FAILURES_IN_A_ROW):
            assert jobs_of(tick(instance)) == ["send_on"]
            create_run_for_test(instance, "send_on", status=dg.DagsterRunStatus.FAILURE)
        outcome = tick(instance)
        assert not outcome.run_requests
        assert f"the job send_on failed {MAX_FAILURES_IN_A_ROW} times: fix the cause" in outcome.skip_message
        monkeypatch.setattr("grabient_pipeline.defs.sensors._NEXT_TRY", dt.timedelta(0))
        assert jobs_of(tick(instance)) == ["send_on"]

    def test_a_missing_key_starts_nothing(self, queued, instance, monkeypatch) -> None:
        allow(100)
        monkeypatch.delenv("ANTHROPIC_API_KEY")
        with pytest.raises(dg.Failure, match="no provider could be reached"):
            tick(instance)
