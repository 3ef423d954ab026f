"""The definitions load, keep their public names, and describe themselves."""

from __future__ import annotations

import dagster as dg
import pytest

from grabient_pipeline.definitions import build_definitions, defs
from grabient_pipeline.defs.assets.batches import BackfillConfig
from grabient_pipeline.defs.assets.embeddings import EmbeddingsConfig
from grabient_pipeline.defs.assets.palettes import PalettesConfig
from grabient_pipeline.defs.assets.refinement import RefinementConfig
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline_tests.catalogue import PROVIDER_ASSETS
from grabient_pipeline_tests.defs.conftest import (
    COLLECT,
    STAGE_TWO,
)


def test_the_definitions_load_and_have_the_public_names() -> None:
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert keys == {
        "catalogue_findings",
        "palettes",
        "palette_images",
        *PROVIDER_ASSETS,
        "tag_responses",
        "palette_tags",
        *STAGE_TWO,
    }
    assert {key.name for key in graph.asset_check_keys} == {
        "catalogue_current",
        "seeds_decode",
        "no_orphaned_batch",
        "nothing_overdue",
        "paid_answers_are_kept",
        "no_model_paused",
        "backup_is_recent",
        "cost_is_within_the_cap",
        "closed_vocabulary_valid",
        "palettes_have_all_their_analyses",
        "published_copy_current",
        "consensus_counts_every_usable_answer",
        "embed_texts_are_within_bounds",
        "search_quality_not_regressed",
    }
    assert {job.name for job in defs.resolve_all_job_defs()} >= {"backfill", "collect", "send_on", "check_catalogue"}
    assert {job.name for job in defs.resolve_sensor_def("poll_batches").jobs} == {"collect", "send_on"}
    assert "within the cap of each order" in (defs.resolve_sensor_def("poll_batches").description or "")
    assert defs.resolve_sensor_def("poll_batches").minimum_interval_seconds == 300
    # Polling and collecting begin only when the user starts the sensor.
    assert defs.resolve_sensor_def("poll_batches").default_status == dg.DefaultSensorStatus.STOPPED


def test_every_asset_is_described() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert len(node.description or "") > 60, key
        assert node.owners == ["team:grabient"], key
        assert node.kinds, key
        assert "duckdb" in node.kinds or key.to_user_string() in ("palette_images", "palette_gallery"), key
        assert node.group_name != "default", key
    for provider in load_catalogue().providers:
        assert provider in graph.get(dg.AssetKey(f"{provider}_batches")).kinds
    assert "anthropic" in graph.get(dg.AssetKey("refinement_batches")).kinds


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        pytest.param("google/gemini-2.5-flash-lite", {"google"}, id="provider and model"),
        # The model's name contains OpenAI's, but Groq serves it.
        pytest.param("openai/gpt-oss-120b", {"groq"}, id="model alone"),
        pytest.param("none", set(), id="off"),
        pytest.param("unknown-provider/unknown-model", set(), id="unknown"),
    ],
)
def test_refinement_batches_shows_the_provider_of_the_refining_model(
    monkeypatch: pytest.MonkeyPatch, name: str, provider: set[str]
) -> None:
    monkeypatch.setenv("GRABIENT_REFINEMENT_MODEL", name)
    node = build_definitions().resolve_asset_graph().get(dg.AssetKey("refinement_batches"))
    assert node.kinds == {"duckdb", *provider}


def test_assets_have_the_documented_dependencies() -> None:
    graph = defs.resolve_asset_graph()
    parents = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert parents["palettes"] == set()
    assert parents["catalogue_findings"] == set()
    assert parents["palette_images"] == {"palettes"}
    assert all(parents[name] == {"palettes"} for name in PROVIDER_ASSETS)
    assert parents["tag_responses"] == set(PROVIDER_ASSETS)
    assert parents["palette_tags"] == {"tag_responses"}
    assert parents["palette_tag_consensus"] == {"palette_tags"}
    assert parents["model_scorecard"] == {"palette_tags"}
    assert parents["refinement_batches"] == {"palette_tag_consensus"}
    assert parents["palette_tag_refined"] == {"refinement_batches", "tag_responses"}
    assert parents["palette_gallery"] == {"palette_tag_refined", "palette_embeddings"}


def test_the_collect_job_contains_everything_after_the_responses() -> None:
    """The sensor starts only this job, so everything that follows from a response must be in it."""
    steps = {node.name for node in defs.resolve_job_def("collect").nodes}
    assert steps >= set(COLLECT)
    assert not steps & {"palettes", *PROVIDER_ASSETS}


def test_every_field_of_the_launchpad_is_described() -> None:
    for config in (PalettesConfig, BackfillConfig, RefinementConfig, EmbeddingsConfig):
        assert all(field.description for field in config.model_fields.values())
    assert set(BackfillConfig.model_fields) >= {"models", "analysis_count", "limit", "max_cost_usd", "dry_run"}


def test_overrides_replace_our_definitions() -> None:
    assert not build_definitions(sensors=[]).sensors


def test_every_provider_has_its_asset() -> None:
    """The names of the first four are public."""
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys >= {f"{key}_batches" for key in load_catalogue().providers}
    assert keys >= {"anthropic_batches", "openai_batches", "groq_batches", "google_batches"}
