"""A user's path through the Dagster UI, with a real web server, daemon, sensor, sandbox and database."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        ui.wait_for(lambda: "STARTED" not in ui.runs("collect"), 60, "the runs to end")
        assert set(ui.runs("collect")) == {"SUCCESS"}
        assert "usable" in (ui.metadata_labels("palette_tags") or set())
        assert "newest" in (ui.metadata_labels("palette_tag_refined") or set())
        assert ui.holds("SELECT count(*) = 0 FROM tag_batches WHERE collected_at IS NULL")
