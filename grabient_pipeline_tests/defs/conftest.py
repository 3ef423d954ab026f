"""A real Dagster instance and the sandbox for the assets, jobs and sensors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

import grabient_pipeline
from grabient_pipeline.defs.asset_checks import CHECKS
from grabient_pipeline.defs.assets import ASSETS
from grabient_pipeline.defs.assets.batches import BackfillConfig
from grabient_pipeline.defs.assets.palettes import PalettesConfig
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.defs.sensors import poll_batches
from grabient_pipeline.sandbox.server import SandboxServer
from grabient_pipeline_tests.conftest import copy_template

SEEDS = ("_gIIgHMgJigFKgEigDwgOEgK8gImgBQgDSgHW", "0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0,0.33,0.67")
STAGE_TWO = (
    *("palette_tag_consensus", "model_scorecard", "refinement_batches", "palette_tag_refined"),
    *("palette_embeddings", "palette_gallery"),
)
COLLECT = ("tag_responses", "palette_tags", *STAGE_TWO)


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(where="thread", batch_seconds=0) as server:
        yield server


@pytest.fixture
def data_dir(shared_sandbox: SandboxServer, tmp_path: Path, blank: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory, and the environment variables of the sandbox, whose accounts have no batches."""
    shared_sandbox.sandbox.store.forget()
    for variable, value in {**shared_sandbox.environment(), "GRABIENT_SANDBOX": "1"}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("GRABIENT_MAX_COST_USD", raising=False)
    return copy_template(blank, tmp_path / "data").data_dir


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def seeds_file(tmp_path: Path) -> str:
    path = tmp_path / "seeds.txt"
    path.write_text("\n".join(SEEDS))
    return str(path)


def materialize(
    instance: dg.DagsterInstance, *names: str, raise_on_error: bool = True, **config: dg.Config
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [*ASSETS, *CHECKS],
        selection=list(names),
        instance=instance,
        resources={"pipeline": PipelineResource()},
        run_config=dg.RunConfig(dict(config)),
        raise_on_error=raise_on_error,
    )


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: entry.value for name, entry in event.metadata.items()}


def rows(data_dir: Path, sql: str) -> list[tuple[object, ...]]:
    with grabient_pipeline.connect(data_dir) as connection:
        return connection.execute(sql).fetchall()


def tick(instance: dg.DagsterInstance) -> object:
    return poll_batches.evaluate_tick(
        dg.build_sensor_context(instance=instance, resources={"pipeline": PipelineResource()})
    )


def submit_a_batch(instance: dg.DagsterInstance, seeds_file: str) -> None:
    result = materialize(
        instance,
        "palettes",
        "openai_batches",
        palettes=PalettesConfig(files=[seeds_file]),
        openai_batches=BackfillConfig(models=["gpt-4o-mini"], analysis_count=2),
    )
    assert result.success


def failure_of(result: dg.ExecuteInProcessResult, step: str) -> str:
    (event,) = [event for event in result.get_step_failure_events() if event.step_key == step]
    error = event.step_failure_data.error
    assert error is not None
    return str(error)
