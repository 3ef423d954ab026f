"""What refreshes by itself: derived assets that cost nothing, and never twice what a collect run did."""

from __future__ import annotations

import dagster as dg
import pytest

from grabient_pipeline.definitions import build_definitions, defs
from grabient_pipeline.defs.assets.palettes import PalettesConfig
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline_tests.catalogue import PROVIDER_ASSETS
from grabient_pipeline_tests.defs.conftest import COLLECT, materialize

DERIVED = {"palette_tag_consensus", "model_scorecard", "palette_embeddings", "palette_gallery"}
PAID = {*PROVIDER_ASSETS, "refinement_batches"}


def evaluate(
    instance: dg.DagsterInstance, cursor: object = None
) -> tuple[set[str], dg.EvaluateAutomationConditionsResult]:
    """Return the assets that one evaluation requests, and the evaluation."""
    result = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=cursor)
    keys = defs.resolve_asset_graph().get_all_asset_keys()
    return {key.to_user_string() for key in keys if result.get_num_requested(key)}, result


def condition_of(definitions: dg.Definitions, asset: str) -> object:
    return definitions.resolve_asset_graph().get(dg.AssetKey(asset)).automation_condition


@pytest.mark.usefixtures("data_dir")
class TestRefresh:
    def test_an_import_refreshes_search_and_gallery_and_nothing_else(
        self, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        requested, evaluation = evaluate(instance)
        assert requested == set()
        materialize(instance, "palettes", palettes=PalettesConfig(files=[seeds_file]))
        requested, evaluation = evaluate(instance, evaluation.cursor)
        assert requested == {"palette_embeddings", "palette_gallery"}
        materialize(instance, *requested)
        requested, _ = evaluate(instance, evaluation.cursor)
        assert requested == set()

    def test_nothing_is_requested_after_a_collect_run(self, instance: dg.DagsterInstance, seeds_file: str) -> None:
        materialize(instance, "palettes", "palette_embeddings", "palette_gallery")
        _, evaluation = evaluate(instance)
        result = defs.resolve_job_def("collect").execute_in_process(
            instance=instance, resources={"pipeline": PipelineResource()}
        )
        assert {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()} == set(COLLECT)
        requested, _ = evaluate(instance, evaluation.cursor)
        assert requested == set()

    def test_new_tags_refresh_what_is_counted_from_them(self, instance: dg.DagsterInstance) -> None:
        _, evaluation = evaluate(instance)
        materialize(instance, "palette_tags")
        requested, _ = evaluate(instance, evaluation.cursor)
        assert requested == {"palette_tag_consensus", "model_scorecard"}


def test_only_derived_assets_that_are_free_have_a_condition() -> None:
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    automatic = {asset for asset in keys if condition_of(defs, asset) is not None}
    assert automatic == DERIVED
    assert not automatic & PAID


def test_embeddings_of_a_model_that_costs_money_have_no_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_EMBEDDING_MODEL", "openai/text-embedding-3-small")
    definitions = build_definitions()
    assert condition_of(definitions, "palette_embeddings") is None
    assert condition_of(definitions, "palette_gallery") is not None


@pytest.mark.parametrize(
    ("sensor", "status"),
    [
        ("refresh_derived", dg.DefaultSensorStatus.RUNNING),
        # Its job submits refinements, which cost money.
        ("poll_batches", dg.DefaultSensorStatus.STOPPED),
    ],
)
def test_only_the_sensor_that_costs_nothing_runs_by_default(sensor: str, status: dg.DefaultSensorStatus) -> None:
    assert defs.resolve_sensor_def(sensor).default_status == status
