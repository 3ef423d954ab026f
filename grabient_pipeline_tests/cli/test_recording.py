"""What was done on the command line shows in the Dagster UI."""

from __future__ import annotations

import dagster as dg
from typer.testing import CliRunner

from grabient_pipeline.cli import app, recording
from grabient_pipeline.definitions import defs
from grabient_pipeline.defs.instance import write_dagster_home
from grabient_pipeline.defs.runless import METADATA
from grabient_pipeline.settings import Settings


def test_commands_are_recorded_in_the_dagster_instance(workbench, monkeypatch):
    for name, value in {**workbench.environment, "GRABIENT_SANDBOX": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(workbench.settings.data_dir))
    monkeypatch.setenv("DAGSTER_HOME", str(write_dagster_home(workbench.settings)))
    runner = CliRunner()
    assert runner.invoke(app, ["backfill", "--model", "openai/gpt-4o-mini", "--analysis-count", "1"]).exit_code == 0
    workbench.wait()
    assert runner.invoke(app, ["poll"]).exit_code == 0
    workbench.wait()
    assert runner.invoke(app, ["poll"]).exit_code == 0
    with dg.DagsterInstance.get() as instance:
        recorded = {
            name: instance.get_latest_materialization_event(dg.AssetKey(name))
            for name in (
                *("openai_batches", "tag_responses", "palette_tags", "palette_tag_consensus", "refinement_batches"),
                *("palette_tag_refined", "palette_gallery", "groq_batches"),
            )
        }
    assert recorded.pop("groq_batches") is None
    for event in recorded.values():
        materialization = event.asset_materialization
        assert "on the command line" in materialization.description
        assert materialization.metadata["dagster/row_count"].value >= 1


def test_assets_are_recorded_after_their_dependencies():
    """In the other order they would count as outdated, and the automation sensor would run them."""
    graph = defs.resolve_asset_graph()
    order = {dg.AssetKey(name): position for position, name in enumerate(METADATA)}
    assert set(order) <= set(graph.materializable_asset_keys)
    for key, position in order.items():
        ancestors = graph.get_ancestor_asset_keys(key) & set(order) - {key}
        assert all(order[ancestor] < position for ancestor in ancestors), key


def test_recording_never_fails_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    recording.record(Settings(tmp_path), "grabient import", {"no such asset": None})
    assert "done, but the Dagster UI will not show it" in capsys.readouterr().err
