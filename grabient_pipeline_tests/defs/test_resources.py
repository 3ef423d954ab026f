"""The resource `pipeline`: its fields take precedence over the environment, which is read when a run begins."""

from __future__ import annotations

import warnings
from pathlib import Path

import dagster as dg
import pytest

from grabient_pipeline.definitions import build_definitions
from grabient_pipeline.defs.assets import ASSETS
from grabient_pipeline.defs.assets.palettes import PalettesConfig
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline_tests.defs.conftest import rows


@pytest.fixture
def other_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Variables with other values than the fields; the data directory that they name."""
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GRABIENT_MAX_COST_USD", "7")
    monkeypatch.setenv("GRABIENT_REFINEMENT_MODEL", "none")
    monkeypatch.setenv("GRABIENT_EMBEDDING_MODEL", "google/gemini-embedding-001")
    return tmp_path / "other"


def create(resource: PipelineResource) -> Pipeline:
    return resource.create_resource(dg.build_init_resource_context())


def test_fields_take_precedence_over_the_environment(other_environment: Path, tmp_path: Path) -> None:
    settings = create(
        PipelineResource(
            data_dir=str(tmp_path / "data"),
            max_cost_usd=0.5,
            sandbox=True,
            refinement_model="openai/gpt-4o-mini",
            embedding_model="local/wordllama-256",
        )
    ).settings
    assert (settings.data_dir, settings.max_cost_usd, settings.sandbox) == (tmp_path / "data", 0.5, True)
    assert (settings.refinement_model, settings.embedding_model) == ("openai/gpt-4o-mini", "local/wordllama-256")
    assert not other_environment.exists()


def test_a_field_may_be_zero_or_false(other_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_SANDBOX", "1")
    settings = create(PipelineResource(max_cost_usd=0.0, sandbox=False)).settings
    assert (settings.max_cost_usd, settings.sandbox) == (0.0, False)


def test_a_field_that_is_not_set_comes_from_the_environment(other_environment: Path) -> None:
    settings = create(PipelineResource(sandbox=True)).settings
    assert (settings.data_dir, settings.max_cost_usd, settings.sandbox) == (other_environment, 7.0, True)
    assert (settings.refinement_model, settings.embedding_model) == (None, "google/gemini-embedding-001")


def test_a_run_uses_the_fields(
    other_environment: Path, tmp_path: Path, seeds_file: str, instance: dg.DagsterInstance
) -> None:
    result = dg.materialize(
        ASSETS,
        selection=["palettes"],
        instance=instance,
        resources={"pipeline": PipelineResource(data_dir=str(tmp_path / "data"), max_cost_usd=0.5, sandbox=True)},
        run_config=dg.RunConfig({"palettes": PalettesConfig(files=[seeds_file])}),
    )
    assert result.success
    assert rows(tmp_path / "data", "SELECT count(*) FROM palettes") == [(2,)]
    assert not other_environment.exists()


@pytest.mark.parametrize(
    ("variable", "value"), [("GRABIENT_MAX_COST_USD", "abc"), ("GRABIENT_POLL_SECONDS", "x")], ids=["cap", "interval"]
)
def test_an_invalid_variable_fails_the_run_and_not_the_code_location(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv(variable, value)
    with pytest.warns(UserWarning, match=variable):
        definitions = build_definitions()
    dg.Definitions.validate_loadable(definitions)
    assert definitions.resolve_job_def("collect").name == "collect"
    assert definitions.resolve_sensor_def("poll_batches").minimum_interval_seconds == 300
    with pytest.raises(dg.DagsterError) as failed:
        definitions.resolve_job_def("backfill").execute_in_process(instance=instance)
    (run,) = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.FAILURE
    # Dagster wraps what a resource raises.
    reason = failed.value.__cause__
    assert isinstance(reason, dg.Failure)
    assert (reason.description or "").startswith(f"{variable} is '{value}'; ")
    assert "\n" not in (reason.description or "")
    assert not (tmp_path / "data").exists()


def test_valid_variables_give_no_warning(other_environment: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        build_definitions()
