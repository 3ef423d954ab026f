"""A user's path through the Dagster UI, with a real web server, daemon, sensor, sandbox and database."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline.batches.account_limits import write_figures
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests.catalogue import ENABLED, PROVIDER_ASSETS
from grabient_pipeline_tests.dagster_ui import DagsterUI


@pytest.mark.waits
def test_palettes_to_refined_tags_in_the_ui(tmp_path: Path) -> None:
    """Once the sensor is started, everything after the batches materializes by itself."""
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("_gIIgHMgJigFKgEigDwgOEgK8gImgBQgDSgHW\n0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0,0.33,0.67\n")
    with DagsterUI(tmp_path / "data") as ui:
        assert ui.materialize(["palettes", "palette_images"], {"palettes": {"files": [str(seeds)]}}) == "SUCCESS"
        assert (ui.metadata_labels("palettes") or set()) >= {"dagster/row_count", "dagster/column_schema", "imported"}
        # Search and gallery follow an import by themselves, and nothing that costs money does.
        ui.wait_for(lambda: ui.holds("SELECT count(*) = 2 FROM palette_embeddings"), 120, "the refreshed embeddings")
        ui.wait_for((tmp_path / "data" / "demo" / "gallery" / "index.html").exists, 60, "the refreshed gallery")
        assert ui.holds("SELECT count(*) = 0 FROM tag_batches")

        once = {name: {"analysis_count": 1} for name in PROVIDER_ASSETS}
        assert ui.materialize(PROVIDER_ASSETS, once) == "SUCCESS"
        assert "estimated cost (USD)" in (ui.metadata_labels("groq_batches") or set())

        ui.start_sensor("poll_batches")
        tagged = f"SELECT count(*) = {2 * len(ENABLED)} FROM palette_tags"  # noqa: S608
        ui.wait_for(lambda: ui.holds(tagged), 120, "the sensor's collection of the tags")
        # The same run submits the refinement, which the sensor then collects as well.
        refined = "SELECT count(tags) = 2 FROM palette_tag_refined"
        ui.wait_for(lambda: ui.holds(refined), 120, "the sensor's collection of the refinement")
        ui.wait_for(lambda: ui.is_idle("collect"), 60, "the runs to end")
        assert set(ui.runs("collect")) == {"SUCCESS"}
        assert "usable" in (ui.metadata_labels("palette_tags") or set())
        assert "newest" in (ui.metadata_labels("palette_tag_refined") or set())
        assert ui.holds("SELECT count(*) = 0 FROM tag_batches WHERE collected_at IS NULL")


@pytest.mark.waits
def test_what_waits_for_room_is_sent_without_anybodys_help(tmp_path: Path) -> None:
    """The sensor sends an order on, piece by piece, until it is complete."""
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("_gIIgHMgJigFKgEigDwgOEgK8gImgBQgDSgHW\n0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0,0.33,0.67\n")
    with DagsterUI(tmp_path / "data") as ui:
        assert ui.materialize(["palettes"], {"palettes": {"files": [str(seeds)]}}) == "SUCCESS"
        # Of 16 requests, half fit into the queue.
        write_figures(Pipeline(Settings(tmp_path / "data" / "demo"), {}).warehouse, "anthropic", None, requests=8)
        config = {"anthropic_batches": {"models": ["claude-haiku-4-5-20251001"], "analysis_count": 8}}
        assert ui.materialize(["anthropic_batches"], config) == "SUCCESS"
        assert ui.holds("SELECT sum(request_count) = 8 FROM tag_batches")
        assert (ui.metadata_labels("anthropic_batches") or set()) >= {"open orders", "requests waiting"}

        ui.start_sensor("poll_batches")
        complete = "SELECT count(*) = 1 FROM orders WHERE stage = 'tagging' AND closed_reason = 'complete'"
        ui.wait_for(lambda: ui.holds(complete), 180, "the order to be complete")
        assert ui.holds("SELECT count(*) = 16 FROM tag_responses")
        ui.wait_for(lambda: ui.is_idle("send_on", "collect"), 60, "the runs to end")
        assert set(ui.runs("send_on")) == {"SUCCESS"}
        assert set(ui.runs("collect")) == {"SUCCESS"}
