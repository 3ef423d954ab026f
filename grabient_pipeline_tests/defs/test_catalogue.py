"""The asset of the catalogue's findings, its check, and the schedule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from grabient_pipeline.definitions import defs
from grabient_pipeline.defs import runless
from grabient_pipeline.defs.asset_checks import CHECKS, catalogue_current
from grabient_pipeline.defs.assets import ASSETS
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests.defs.conftest import materialize, metadata_of, rows

OSS = "groq/openai/gpt-oss-20b"


@pytest.fixture(autouse=True)
def real_accounts(data_dir: Path, shared_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Accounts whose models end, and a catalogue in which none ends soon."""
    monkeypatch.delenv("GRABIENT_SANDBOX")
    monkeypatch.setattr("grabient_pipeline.batches.catalogue_check.find_ending", lambda *_: [])
    yield
    shared_sandbox.sandbox.faults.disarm()


def evaluation_of(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def test_a_catalogue_that_is_right(instance: dg.DagsterInstance, data_dir: Path) -> None:
    result = materialize(instance, "catalogue_findings")
    metadata = metadata_of(result, "catalogue_findings")
    assert "openai" in str(metadata["asked"])
    ((count,),) = rows(data_dir, "SELECT count(*) FROM catalogue_findings")
    assert metadata["dagster/row_count"] == count
    evaluation = evaluation_of(result)
    assert evaluation.passed
    assert evaluation.description == "0 models in use to change in catalogue.toml"


def test_a_model_in_use_that_has_ended(instance: dg.DagsterInstance, shared_sandbox: SandboxServer) -> None:
    shared_sandbox.sandbox.faults.arm("models_deprecated", "groq", models="openai/gpt-oss-20b")
    result = materialize(instance, "catalogue_findings")
    assert result.success
    evaluation = evaluation_of(result)
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    table = evaluation.metadata["findings"]
    assert isinstance(table, dg.TableMetadataValue)
    first = table.records[0].data
    assert (first["model"], first["in use"], first["what"]) == (OSS, "yes", "Groq has retired it")
    assert str(first["change in catalogue.toml"]).startswith(f"catalogue.toml, [[models]] {OSS}: ends_on = ")
    assert evaluation.metadata["models"].value == [OSS]


def test_the_check_alone_asks_nobody(instance: dg.DagsterInstance, shared_sandbox: SandboxServer) -> None:
    materialize(instance, "catalogue_findings")
    calls = len(shared_sandbox.sandbox.requests)
    result = dg.materialize(
        [*ASSETS, *CHECKS],
        selection=dg.AssetSelection.checks(catalogue_current),
        instance=instance,
        resources={"pipeline": PipelineResource()},
    )
    assert evaluation_of(result).passed
    assert len(shared_sandbox.sandbox.requests) == calls


def test_the_job_of_the_schedule(instance: dg.DagsterInstance) -> None:
    result = defs.resolve_job_def("check_catalogue").execute_in_process(instance=instance)
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [
        dg.AssetKey("catalogue_findings")
    ]
    assert evaluation_of(result).asset_check_key.name == "catalogue_current"


def test_the_schedule_is_on_and_weekly(instance: dg.DagsterInstance) -> None:
    schedule = defs.resolve_schedule_def("check_catalogue_weekly")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 6 * * 1", "UTC")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    tick = schedule.evaluate_tick(dg.build_schedule_context(instance=instance))
    assert len(tick.run_requests or []) == 1


def test_a_command_reports_the_same_metadata(data_dir: Path) -> None:
    report = Pipeline(Settings(data_dir), {}).check_catalogue()
    metadata = runless.METADATA["catalogue_findings"](data_dir, report)
    assert {"findings", "asked", "left out", "dagster/row_count"} <= metadata.keys()
