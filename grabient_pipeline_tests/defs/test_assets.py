"""The assets, jobs and the sensor, with a real Dagster instance, the real SDKs and the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

import grabient_pipeline
from grabient_pipeline import settings as settings_module
from grabient_pipeline.definitions import build_definitions, defs
from grabient_pipeline.defs.asset_checks import CHECKS
from grabient_pipeline.defs.assets import ASSETS
from grabient_pipeline.defs.assets.batches import BackfillConfig
from grabient_pipeline.defs.assets.embeddings import EmbeddingsConfig
from grabient_pipeline.defs.assets.palettes import PalettesConfig
from grabient_pipeline.defs.assets.refinement import RefinementConfig
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.defs.sensors import MAX_FAILURES_IN_A_ROW, poll_batches
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.sandbox.server import SandboxServer
from grabient_pipeline.warehouse import Warehouse
from grabient_pipeline_tests.conftest import begun

SEEDS = ("_gIIgHMgJigFKgEigDwgOEgK8gImgBQgDSgHW", "0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0,0.33,0.67")
PROVIDER_ASSETS = ("anthropic_batches", "openai_batches", "groq_batches", "google_batches")
STAGE_TWO = (
    *("palette_tag_consensus", "model_scorecard", "refinement_batches", "palette_tag_refined"),
    *("palette_embeddings", "palette_gallery"),
)
COLLECT = ("tag_responses", "palette_tags", *STAGE_TWO)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(where="thread", batch_seconds=0) as server:
        yield server


@pytest.fixture
def data_dir(sandbox: SandboxServer, tmp_path: Path, blank: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory, with the environment of the sandbox round it."""
    for variable, value in {**sandbox.environment(), "GRABIENT_SANDBOX": "1"}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("GRABIENT_MAX_COST_USD", raising=False)
    return begun(blank, tmp_path / "data").data_dir


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


def submit_something(instance: dg.DagsterInstance, seeds_file: str) -> None:
    result = materialize(
        instance,
        "palettes",
        "openai_batches",
        palettes=PalettesConfig(files=[seeds_file]),
        openai_batches=BackfillConfig(models=["gpt-4o-mini"], analysis_count=2),
    )
    assert result.success


def test_a_new_ledger_in_the_default_folder_is_in_the_log_of_the_run(
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


def failure_of(result: dg.ExecuteInProcessResult, step: str) -> str:
    (event,) = [event for event in result.get_step_failure_events() if event.step_key == step]
    error = event.step_failure_data.error
    assert error is not None
    return str(error)


def test_the_definitions_load_and_have_the_public_names() -> None:
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert keys == {"palettes", "palette_images", *PROVIDER_ASSETS, "tag_responses", "palette_tags", *STAGE_TWO}
    assert {key.name for key in graph.asset_check_keys} == {
        "seeds_decode",
        "no_orphaned_batch",
        "nothing_overdue",
        "cost_is_within_the_cap",
        "closed_vocabulary_valid",
        "palettes_have_all_their_analyses",
        "published_copy_current",
        "consensus_counts_every_usable_answer",
        "embed_texts_are_within_bounds",
        "search_quality_not_regressed",
    }
    assert {job.name for job in defs.resolve_all_job_defs()} >= {"backfill", "collect"}
    assert defs.resolve_sensor_def("poll_batches").minimum_interval_seconds == 300
    # A sensor that started by itself would poll, and collect, before anybody has looked.
    assert defs.resolve_sensor_def("poll_batches").default_status == dg.DefaultSensorStatus.STOPPED


def test_every_asset_says_what_it_is() -> None:
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
        # OpenAI's name stands in the model's, and Groq serves it.
        pytest.param("openai/gpt-oss-120b", {"groq"}, id="model alone"),
        pytest.param("none", set(), id="nobody"),
        pytest.param("nobody/knows-it", set(), id="unknown"),
    ],
)
def test_the_refining_asset_bears_the_name_of_who_refines(
    monkeypatch: pytest.MonkeyPatch, name: str, provider: set[str]
) -> None:
    monkeypatch.setenv("GRABIENT_REFINEMENT_MODEL", name)
    node = build_definitions().resolve_asset_graph().get(dg.AssetKey("refinement_batches"))
    assert node.kinds == {"duckdb", *provider}


def test_the_graph_follows_the_picture() -> None:
    graph = defs.resolve_asset_graph()
    parents = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert parents["palettes"] == set()
    assert parents["palette_images"] == {"palettes"}
    assert all(parents[name] == {"palettes"} for name in PROVIDER_ASSETS)
    assert parents["tag_responses"] == set(PROVIDER_ASSETS)
    assert parents["palette_tags"] == {"tag_responses"}
    assert parents["palette_tag_consensus"] == {"palette_tags"}
    assert parents["model_scorecard"] == {"palette_tags"}
    assert parents["refinement_batches"] == {"palette_tag_consensus"}
    assert parents["palette_tag_refined"] == {"refinement_batches", "tag_responses"}
    assert parents["palette_gallery"] == {"palette_tag_refined", "palette_embeddings"}


def test_the_collect_job_goes_as_far_as_it_can() -> None:
    """The sensor asks for this job only, so all that follows from an answer must be in it."""
    steps = {node.name for node in defs.resolve_job_def("collect").nodes}
    assert steps >= set(COLLECT)
    assert not steps & {"palettes", *PROVIDER_ASSETS}


def test_each_field_of_the_launchpad_is_described() -> None:
    for config in (PalettesConfig, BackfillConfig, RefinementConfig, EmbeddingsConfig):
        assert all(field.description for field in config.model_fields.values())
    assert set(BackfillConfig.model_fields) >= {"models", "analysis_count", "limit", "max_cost_usd", "dry_run"}


def test_what_is_given_takes_the_place_of_ours() -> None:
    assert not build_definitions(sensors=[]).sensors


def test_palettes_to_tags(data_dir: Path, instance: dg.DagsterInstance, seeds_file: str) -> None:
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
        "A batch has at most 50,000 requests and 100 MB, ends within 24 hours, and its results are kept for 30 days."
    )

    outcome = tick(instance)
    (request,) = outcome.run_requests
    assert request.job_name in (None, "collect")
    second = materialize(instance, "tag_responses", "palette_tags")
    responses = metadata_of(second, "tag_responses")
    assert responses["batches collected"] == 10
    assert sum(record.data["succeeded"] for record in responses["outcomes"].records) == 20
    tags = metadata_of(second, "palette_tags")
    assert tags["dagster/row_count"] == tags["answers"] == 20
    assert rows(data_dir, "SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL OR error IS NOT NULL") == [(20,)]
    # Each of the ten rows has a swatch.
    assert str(tags["sample"]).count("](data:image/png;base64,") == 10
    assert len(str(tags["sample"])) < 10_000
    # The schema on the asset's page says what each column is.
    assert all(column.description for column in tags["dagster/column_schema"].columns)

    third = materialize(instance, *PROVIDER_ASSETS, **config)
    failed = rows(data_dir, "SELECT count(*) FROM tag_requests WHERE state = 'failed'")[0][0]
    assert sum(metadata_of(third, name)["requests submitted"] for name in PROVIDER_ASSETS) == failed


def test_palettes_are_embedded_and_embedded_once(data_dir: Path, instance: dg.DagsterInstance, seeds_file: str) -> None:
    first = materialize(instance, "palettes", "palette_embeddings", palettes=PalettesConfig(files=[seeds_file]))
    told = metadata_of(first, "palette_embeddings")
    assert (told["model"], told["embedded"], told["cost (USD)"]) == ("local/wordllama-256", 2, 0)
    assert told["dagster/row_count"] == 2
    assert all(column.description for column in told["dagster/column_schema"].columns)
    # Without the sample palettes there is nothing to measure the search by, and nothing is wrong with it.
    checks = {check.check_name: check for check in first.get_asset_check_evaluations()}
    assert all(check.passed for check in checks.values())
    check = checks["search_quality_not_regressed"]
    assert "not measured" in (check.description or "")
    assert metadata_of(materialize(instance, "palette_embeddings"), "palette_embeddings")["embedded"] == 0


def test_an_unknown_embedding_model_fails_with_what_to_do(
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


def test_a_refused_key_fails_its_own_asset_only(
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
    ],
    ids=["count 0", "count 21", "limit 0", "cap", "unknown model"],
)
def test_bad_configuration_fails_with_what_to_do(
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


def test_a_dry_run_tells_and_does_nothing(data_dir: Path, instance: dg.DagsterInstance, seeds_file: str) -> None:
    result = materialize(
        instance,
        "palettes",
        "google_batches",
        palettes=PalettesConfig(files=[seeds_file]),
        google_batches=BackfillConfig(dry_run=True),
    )
    told = metadata_of(result, "google_batches")
    assert (told["batches would be submitted"], told["requests would be submitted"]) == (2, 32)
    assert rows(data_dir, "SELECT count(*) FROM tag_batches") == [(0,)]


def test_a_retired_model_is_left_out_with_its_replacement(
    data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
) -> None:
    result = materialize(
        instance,
        "palettes",
        "anthropic_batches",
        palettes=PalettesConfig(files=[seeds_file]),
        anthropic_batches=BackfillConfig(include_retired=False),
    )
    told = metadata_of(result, "anthropic_batches")
    assert told["batches submitted"] == 0
    assert "anthropic/claude-haiku-4-5-20251001" in str(told["left out"])


class TestStageTwo:
    """What follows from the answers, in the order in which the sensor's job brings it about."""

    def test_from_answers_to_refined_palettes(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        submit_something(instance, seeds_file)
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
        # Each row of a sample begins with the palette's colours.
        for sample in (consensus["sample"], metadata_of(first, "palette_embeddings")["sample"]):
            assert str(sample).count("](data:image/png;base64,") == 2
        gallery = metadata_of(first, "palette_gallery")
        assert (gallery["palettes"], gallery["path"]) == (2, str(data_dir / "gallery" / "index.html"))
        assert gallery["size (kB)"] == round((data_dir / "gallery" / "index.html").stat().st_size / 1000)
        evaluated = {check.check_name: check.passed for check in first.get_asset_check_evaluations()}
        # The palettes are described twice here, and are to be described 8 times.
        assert not evaluated.pop("palettes_have_all_their_analyses")
        assert set(evaluated) >= {
            "no_orphaned_batch",
            "published_copy_current",
            "consensus_counts_every_usable_answer",
            "embed_texts_are_within_bounds",
            "search_quality_not_regressed",
        }
        assert all(evaluated.values())

        assert tick(instance).run_requests, "the sensor sees the refinement end as well"
        second = materialize(instance, *COLLECT)
        refined = metadata_of(second, "palette_tag_refined")
        assert str(refined["newest"]).count("](data:image/png;base64,") == 2
        assert (refined["dagster/row_count"], refined["usable"]) == (2, 2)
        assert metadata_of(second, "refinement_batches")["batches submitted"] == 0
        assert all(column.description for column in refined["dagster/column_schema"].columns)
        assert not tick(instance).run_requests
        assert rows(data_dir, "SELECT text_source, count(*) FROM searchable_palettes GROUP BY ALL") == [("refined", 2)]

    def test_above_the_cap_the_rest_goes_on_and_the_reason_is_told(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        submit_something(instance, seeds_file)
        tick(instance)
        result = materialize(instance, *COLLECT, refinement_batches=RefinementConfig(max_cost_usd=0.0001))
        assert result.success
        told = metadata_of(result, "refinement_batches")
        assert told["batches submitted"] == 0
        assert "above the cap of $0.00" in str(told["held back"])

    def test_without_the_key_of_the_refining_model_the_rest_goes_on(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit_something(instance, seeds_file)
        tick(instance)
        monkeypatch.delenv("ANTHROPIC_API_KEY")
        result = materialize(instance, *COLLECT)
        assert result.success
        held_back = metadata_of(result, "refinement_batches")["held back"]
        assert held_back == "Anthropic left out: ANTHROPIC_API_KEY is not set"

    def test_refinement_can_be_off(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit_something(instance, seeds_file)
        tick(instance)
        monkeypatch.setenv("GRABIENT_REFINEMENT_MODEL", "none")
        result = materialize(instance, *COLLECT)
        assert "refinement is off" in str(metadata_of(result, "refinement_batches")["held back"])
        assert rows(data_dir, "SELECT count(*) FROM tag_batches WHERE stage = 'refinement'") == [(0,)]

    def test_an_unknown_model_fails_with_what_to_do(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        submit_something(instance, seeds_file)
        config = RefinementConfig(model="anthropic/claude-9")
        result = materialize(instance, "refinement_batches", raise_on_error=False, refinement_batches=config)
        assert "grabient models lists them" in failure_of(result, "refinement_batches")


class TestSensor:
    """`poll_batches` starts a collection when there is something to collect, and only then."""

    def test_nothing_under_way(self, data_dir: Path, instance: dg.DagsterInstance) -> None:
        assert tick(instance).skip_message == "nothing is pending"

    def test_still_under_way(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with SandboxServer(where="thread", batch_seconds=60) as slow:
            for variable, value in slow.environment().items():
                monkeypatch.setenv(variable, value)
            submit_something(instance, seeds_file)
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
            said = tick(instance).skip_message or ""
        assert said.startswith("1 pending, nothing has ended; ")
        assert " likely by " in said
        assert ", nine times out of ten by " in said

    def test_ended(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        submit_something(instance, seeds_file)
        outcome = tick(instance)
        (request,) = outcome.run_requests
        assert request.run_key.endswith("#0")
        # A tick that starts a run has no words of its own on the sensor's page; its log has.
        assert "nothing is pending, 1 ended; next: the job collect fetches the results" in capsys.readouterr().err
        assert outcome.cursor is None

    def test_a_collection_that_is_under_way_is_not_asked_for_again(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        submit_something(instance, seeds_file)
        (request,) = tick(instance).run_requests
        create_run_for_test(instance, "collect", status=dg.DagsterRunStatus.STARTED, tags=request.tags)
        outcome = tick(instance)
        assert not outcome.run_requests
        assert outcome.skip_message == "nothing is pending, 1 ended; the job collect is running already"

    def test_a_failed_collection_is_asked_for_again(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        # Dagster never runs the same key again, not even after a failure.
        submit_something(instance, seeds_file)
        (first,) = tick(instance).run_requests
        create_run_for_test(instance, "collect", status=dg.DagsterRunStatus.FAILURE, tags=first.tags)
        (second,) = tick(instance).run_requests
        assert second.run_key != first.run_key

    def test_what_follows_a_collection_is_tried_again_until_a_person_is_needed(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str
    ) -> None:
        """All was collected, then a later step failed: nothing will end any more that could start it again."""
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

    def test_a_busy_database_is_left_alone(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit_something(instance, seeds_file)
        monkeypatch.setattr("grabient_pipeline.defs.sensors.WAIT_SECONDS", 0.2)
        busy = Warehouse(data_dir / "state" / "warehouse.duckdb", data_dir / "grabient.duckdb")
        with busy.connect():
            outcome = tick(instance)
        assert not outcome.run_requests
        assert "busy" in (outcome.skip_message or "")

    def test_when_nobody_can_be_asked_the_tick_fails(
        self, data_dir: Path, instance: dg.DagsterInstance, seeds_file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with SandboxServer(where="thread", batch_seconds=60) as gone:
            for variable, value in gone.environment().items():
                monkeypatch.setenv(variable, value)
            submit_something(instance, seeds_file)
        with pytest.raises(dg.Failure, match="no provider could be reached"):
            tick(instance)


def test_every_provider_has_its_asset() -> None:
    assert {f"{key}_batches" for key in load_catalogue().providers} == set(PROVIDER_ASSETS)
