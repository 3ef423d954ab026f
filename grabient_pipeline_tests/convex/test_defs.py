"""The migration jobs in Dagster do the same as `grabient migrate`, with the same counts."""

from __future__ import annotations

import dagster as dg
import pytest

from grabient_pipeline.convex import steps
from grabient_pipeline.definitions import defs
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline_tests import convex_exports as exports


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path / "data"))
    opened = Pipeline.from_environment()
    steps.import_convex(opened, exports.write_zip(tmp_path / "export.zip", exports.export("runs")))
    return opened


def run(name):
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.get_job_def(name).execute_in_process(instance=instance, raise_on_error=False)
        outputs = [event.step_output_data for event in result.all_events if event.is_successful_output]
        metadata = outputs[0].metadata if outputs else {}
        failures = [event.step_failure_data.user_failure_data.description for event in result.get_step_failure_events()]
        return result.success, {name: entry.value for name, entry in metadata.items()}, failures


def test_the_three_jobs_in_order(pipeline):
    answers = 3 * 2 * len(exports.MODELS)
    success, counts, _ = run("migrate_check")
    assert success
    assert (counts["only_run_number"], counts["clean"]) == (answers, False)
    success, _, (failure,) = run("migrate_clear_run_number")
    assert not success
    assert "run grabient migrate run-number first" in failure
    success, counts, _ = run("migrate_run_number")
    assert (success, counts["from_run_number"]) == (True, answers)
    assert steps.check_run_numbers(pipeline).clean
    assert run("migrate_clear_run_number")[:2] == (True, {"cleared": answers})
