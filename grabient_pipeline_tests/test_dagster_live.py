"""The way of a person in the Dagster UI: a real web server, daemon, sensor, sandbox and database."""

from __future__ import annotations

from pathlib import Path

import grabient_pipeline
from grabient_pipeline_tests.dagster_ui import DagsterUI

PROVIDER_ASSETS = ("anthropic_batches", "openai_batches", "groq_batches", "google_batches")


def test_palettes_to_tags_in_the_ui(tmp_path: Path) -> None:
    """Materialise, turn the sensor on, and what follows materialises by itself when the batches have ended."""
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("_gIIgHMgJigFKgEigDwgOEgK8gImgBQgDSgHW\n0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0,0.33,0.67\n")
    with DagsterUI(tmp_path / "data") as ui:
        assert ui.materialize(["palettes", "palette_images"], {"palettes": {"files": [str(seeds)]}}) == "SUCCESS"
        assert (ui.metadata_labels("palettes") or set()) >= {"dagster/row_count", "dagster/column_schema", "imported"}
        once = {name: {"analysis_count": 1} for name in PROVIDER_ASSETS}
        assert ui.materialize(PROVIDER_ASSETS, once) == "SUCCESS"
        assert "estimated cost (USD)" in (ui.metadata_labels("groq_batches") or set())
        data_dir = tmp_path / "data" / "demo"

        # The first tick comes at once, the next one after five minutes: by then the batches must have ended.
        ui.wait_for(lambda: _ended_at_sandbox(data_dir), 60, "the batches to end at the sandbox")
        ui.turn_on("poll_batches")
        ui.wait_for(lambda: "SUCCESS" in ui.runs("collect"), 90, "the sensor's collection")
        assert "usable" in (ui.metadata_labels("palette_tags") or set())
        with grabient_pipeline.connect(data_dir) as connection:
            assert connection.execute("SELECT count(*) FROM palette_tags").fetchall() == [(20,)]
            collected = "SELECT count(*) FROM tag_batches WHERE collected_at IS NOT NULL"
            assert connection.execute(collected).fetchall() == [(10,)]


def _ended_at_sandbox(data_dir: Path) -> bool:
    with grabient_pipeline.connect(data_dir) as connection:
        sql = "SELECT max(submitted_at) < now() - INTERVAL 22 SECONDS FROM tag_batches"
        return bool(connection.execute(sql).fetchall()[0][0])
