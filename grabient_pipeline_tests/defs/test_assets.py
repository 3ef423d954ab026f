"""The assets, with a real Dagster instance, the real SDKs and the sandbox."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from grabient_pipeline import settings as settings_module
from grabient_pipeline.defs.assets.batches import BackfillConfig
from grabient_pipeline.defs.assets.embeddings import EmbeddingsConfig
from grabient_pipeline.defs.assets.palettes import PalettesConfig
from grabient_pipeline.defs.assets.refinement import RefinementConfig
from grabient_pipeline_tests.catalogue import ENABLED, PROVIDER_ASSETS
from grabient_pipeline_tests.defs.conftest import (
    COLLECT,
    failure_of,
    materialize,
    metadata_of,
    rows,
    submit_a_batch,
    tick,
)


def test_the_log_of_a_run_mentions_a_new_ledger_in_the_default_directory(
    instance: dg.DagsterInstance, data_dir: Path, seeds_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRABIENT_SANDBOX")
    monkeypatch.setattr(settings_module, "default_data_dir", lambda: data_dir)
    notices: list[list[str]] = []
    for _ in range(2):
        result = materialize(
            instance,
            "palettes",
            "openai_batches",
            palettes=PalettesConfig(files=[seeds_file]),
            openai_batches=BackfillConfig(models=["gpt-4o-mini"], analysis_count=len(notices) + 1),
        )
        logged = [record.event_log_entry.user_message for record in instance.get_records_for_run(result.run_id).records]
        notices.append([line for line in logged if "new ledger" in line])
    assert notices == [[f"Starting a new ledger in {data_dir} (set GRABIENT_DATA_DIR to use another folder)"], []]


def test_from_palettes_to_tags(data_dir: Path, instance: dg.DagsterInstance, seeds_file: str) -> None:
    config = {name: BackfillConfig(analysis_count=1) for name in PROVIDER_ASSETS}
    first = materialize(
        instance,
        "palettes",
        "palette_images",
        *PROVIDER_ASSETS,
        palettes=PalettesConfig(files=[seeds_file]),
        **config,
    )
    imported = metadata_of(first, "palettes")
    assert imported["dagster/row_count"] == 2
    assert 200 < len(str(imported["contact sheet"])) < 20_000
    assert len(list((data_dir / "images").glob("*.png"))) == 2
    groq = metadata_of(first, "groq_batches")
    assert (groq["batches submitted"], groq["requests submitted"]) == (5, 10)
    assert 0 < groq["estimated cost (USD)"] < 0.1
    assert groq["limits"] == (
        "A batch has at most 50,000 requests and 100 MB, ends within 24 hours (up to 168 can be set), and its results "
        "are kept for 30 days."
    )

    outcome = tick(instance)
    (request,) = outcome.run_requests
    assert request.job_name in (None, "collect")
    second = materialize(instance, "tag_responses", "palette_tags")
    responses = metadata_of(second, "tag_responses")
    assert responses["batches collected"] == len(ENABLED)
    assert sum(record.data["succeeded"] for record in responses["outcomes"].records) == 2 * len(ENABLED)
    tags = metadata_of(second, "palette_tags")
    assert tags["dagster/row_count"] == tags["answers"] == 2 * len(ENABLED)
    assert rows(data_dir, "SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL OR error IS NOT NULL") == [
        (2 * len(ENABLED),)
    ]
    # Each of the ten rows has a swatch.
    assert str(tags["sample"]).count("](data:image/png;base64,") == 10
    assert len(str(tags["sample"])) < 10_000
    # The schema on the asset's page says what each column is.
    assert all(column.description for column in tags["dagster/column_schema"].columns)

    third = materialize(instance, *PROVIDER_ASSETS, **config)
    failed = rows(data_dir, "SELECT count(*) FROM tag_requests WHERE state = 'failed'")[0][0]
    assert sum(metadata_of(third, name)["requests submitted"] for name in PROVIDER_ASSETS) == failed


def test_palettes_are_embedded_once(data_dir: Path, instance: dg.DagsterInstance, seeds_file: str) -> None:
    first = materialize(instance, "palettes", "palette_embeddings", palettes=PalettesConfig(files=[seeds_file]))
    metadata = metadata_of(first, "palette_embeddings")
    assert (metadata["model"], metadata["embedded"], metadata["cost (USD)"]) == ("local/wordllama-256", 2, 0)
    assert metadata["dagster/row_count"] == 2
    assert all(column.description for column in metadata["dagster/column_schema"].columns)
    # Search quality cannot be measured without the sample palettes, which is not a failure.
    checks = {check.check_name: check for check in first.get_asset_check_evaluations()}
    assert all(check.passed for check in checks.values())
    check = checks["search_quality_not_regressed"]
    assert "not measured" in (check.description or "")
    assert metadata_of(materialize(instance, "palette_embeddings"), "palette_embeddings")["embedded"] == 0


def test_an_unknown_embedding_model_fails_with_the_known_ones(
    data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
) -> None:
    result = materialize(
        instance,
        "palettes",
        "palette_embeddings",
        raise_on_error=False,
        palettes=PalettesConfig(files=[seeds_file]),
        palette_embeddings=EmbeddingsConfig(model="ada"),
    )
    assert "local/wordllama-256" in failure_of(result, "palette_embeddings")


def test_a_provider_without_a_key_is_left_out(
    data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROQ_API_KEY")
    result = materialize(
        instance,
        "palettes",
        "groq_batches",
        "openai_batches",
        palettes=PalettesConfig(files=[seeds_file]),
        openai_batches=BackfillConfig(analysis_count=1),
    )
    assert result.success
    assert not result.asset_materializations_for_node("groq_batches")
    (observation,) = result.asset_observations_for_node("groq_batches")
    assert "GROQ_API_KEY" in (observation.description or "")
    assert metadata_of(result, "openai_batches")["batches submitted"] == 2


def test_pictures_are_attached_in_the_launchpad_too(
    data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
) -> None:
    materialize(
        instance,
        "palettes",
        "groq_batches",
        palettes=PalettesConfig(files=[seeds_file]),
        groq_batches=BackfillConfig(
            models=["qwen/qwen3.8-27b", "openai/gpt-oss-20b"], analysis_count=1, with_image=True
        ),
    )
    sent = rows(data_dir, "SELECT model, with_image FROM tag_batches JOIN prompt_versions ON version = prompt_version")
    assert sent == [("qwen/qwen3.8-27b", True)]


def test_a_rejected_key_fails_only_the_asset_of_its_provider(
    data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-000111222")
    result = materialize(
        instance,
        "palettes",
        "openai_batches",
        "anthropic_batches",
        raise_on_error=False,
        palettes=PalettesConfig(files=[seeds_file]),
        anthropic_batches=BackfillConfig(analysis_count=1),
    )
    assert not result.success
    assert metadata_of(result, "anthropic_batches")["batches submitted"] == 1
    failure = failure_of(result, "openai_batches")
    assert "HTTP 401" in failure
    assert "sk-wrong-000111222" not in failure
    assert rows(data_dir, "SELECT DISTINCT provider FROM tag_batches") == [("anthropic",)]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (BackfillConfig(analysis_count=0), "from 1 to 20"),
        (BackfillConfig(analysis_count=21), "from 1 to 20"),
        (BackfillConfig(limit=0), "1 palette or more"),
        (BackfillConfig(max_cost_usd=0.000001), "above the cap"),
        (BackfillConfig(models=["gpt-99"]), "grabient models"),
        (BackfillConfig(deadline_hours=0), "the deadline is 0 hours"),
        (BackfillConfig(when_late="leave"), "no deadline is"),
        (BackfillConfig(deadline_hours=1, when_late="never"), "direct, again or leave"),
    ],
    ids=["count 0", "count 21", "limit 0", "cap", "unknown model", "deadline 0", "no deadline", "unknown choice"],
)
def test_invalid_configuration_fails_with_the_remedy(
    data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, config: BackfillConfig, reason: str
) -> None:
    result = materialize(
        instance,
        "palettes",
        "openai_batches",
        raise_on_error=False,
        palettes=PalettesConfig(files=[seeds_file]),
        openai_batches=config,
    )
    assert reason in failure_of(result, "openai_batches")
    assert rows(data_dir, "SELECT count(*) FROM tag_batches") == [(0,)]


def test_a_dry_run_reports_and_submits_nothing(data_dir: Path, instance: dg.DagsterInstance, seeds_file: str) -> None:
    result = materialize(
        instance,
        "palettes",
        "google_batches",
        palettes=PalettesConfig(files=[seeds_file]),
        google_batches=BackfillConfig(dry_run=True),
    )
    metadata = metadata_of(result, "google_batches")
    assert (metadata["batches would be submitted"], metadata["requests would be submitted"]) == (2, 32)
    assert rows(data_dir, "SELECT count(*) FROM tag_batches") == [(0,)]


def test_the_successor_of_a_retired_model_answers(
    data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
) -> None:
    result = materialize(
        instance,
        "palettes",
        "anthropic_batches",
        palettes=PalettesConfig(files=[seeds_file]),
        anthropic_batches=BackfillConfig(include_retired=False, analysis_count=1),
    )
    metadata = metadata_of(result, "anthropic_batches")
    assert metadata["batches submitted"] == 1
    assert "their successors answer (grabient panel)" in str(metadata["left out"])
    assert rows(data_dir, "SELECT DISTINCT model FROM tag_batches") == [("claude-haiku-5-5",)]


class TestStageTwo:
    """What follows from the responses, in the order of the job that the sensor starts."""

    def test_from_responses_to_refined_palettes(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        submit_a_batch(instance, seeds_file)
        assert tick(instance).run_requests
        first = materialize(instance, *COLLECT)
        consensus = metadata_of(first, "palette_tag_consensus")
        assert consensus["dagster/row_count"] == 2
        scorecard = metadata_of(first, "model_scorecard")
        assert scorecard["dagster/row_count"] == 1
        assert "data:image/png;base64," in str(scorecard["quality against cost"])
        assert len(str(scorecard["quality against cost"])) < 100_000
        sent = metadata_of(first, "refinement_batches")
        assert (sent["batches submitted"], sent["requests submitted"], sent["dagster/row_count"]) == (1, 2, 1)
        assert metadata_of(first, "palette_tag_refined")["dagster/row_count"] == 0
        # Each row of a sample begins with a swatch.
        for sample in (consensus["sample"], metadata_of(first, "palette_embeddings")["sample"]):
            assert str(sample).count("](data:image/png;base64,") == 2
        gallery = metadata_of(first, "palette_gallery")
        assert (gallery["palettes"], gallery["path"]) == (2, str(data_dir / "gallery" / "index.html"))
        assert gallery["size (kB)"] == round((data_dir / "gallery" / "index.html").stat().st_size / 1000)
        check_results = {check.check_name: check.passed for check in first.get_asset_check_evaluations()}
        # The palettes have 2 of their 8 analyses.
        assert not check_results.pop("palettes_have_all_their_analyses")
        assert set(check_results) >= {
            "no_orphaned_batch",
            "published_copy_current",
            "consensus_counts_every_usable_answer",
            "embed_texts_are_within_bounds",
            "search_quality_not_regressed",
        }
        assert all(check_results.values())

        assert tick(instance).run_requests, "the sensor sees the refinement end as well"
        second = materialize(instance, *COLLECT)
        refined = metadata_of(second, "palette_tag_refined")
        assert str(refined["newest"]).count("](data:image/png;base64,") == 2
        assert (refined["dagster/row_count"], refined["usable"]) == (2, 2)
        assert metadata_of(second, "refinement_batches")["batches submitted"] == 0
        assert all(column.description for column in refined["dagster/column_schema"].columns)
        assert not tick(instance).run_requests
        assert rows(data_dir, "SELECT text_source, count(*) FROM searchable_palettes GROUP BY ALL") == [("refined", 2)]

    def test_above_the_cap_only_the_refinement_is_held_back(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        submit_a_batch(instance, seeds_file)
        tick(instance)
        result = materialize(instance, *COLLECT, refinement_batches=RefinementConfig(max_cost_usd=0.0001))
        assert result.success
        metadata = metadata_of(result, "refinement_batches")
        assert metadata["batches submitted"] == 0
        assert "above the cap of $0.00" in str(metadata["held back"])

    def test_without_the_key_of_the_refining_model_only_the_refinement_is_held_back(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit_a_batch(instance, seeds_file)
        tick(instance)
        monkeypatch.delenv("ANTHROPIC_API_KEY")
        result = materialize(instance, *COLLECT)
        assert result.success
        held_back = metadata_of(result, "refinement_batches")["held back"]
        assert held_back == "Anthropic left out: ANTHROPIC_API_KEY is not set"

    def test_refinement_can_be_turned_off(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit_a_batch(instance, seeds_file)
        tick(instance)
        monkeypatch.setenv("GRABIENT_REFINEMENT_MODEL", "none")
        result = materialize(instance, *COLLECT)
        assert "refinement is off" in str(metadata_of(result, "refinement_batches")["held back"])
        assert rows(data_dir, "SELECT count(*) FROM tag_batches WHERE stage = 'refinement'") == [(0,)]

    def test_an_unknown_refining_model_fails_with_the_remedy(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        submit_a_batch(instance, seeds_file)
        config = RefinementConfig(model="anthropic/claude-9")
        result = materialize(instance, "refinement_batches", raise_on_error=False, refinement_batches=config)
        assert "grabient models lists them" in failure_of(result, "refinement_batches")
