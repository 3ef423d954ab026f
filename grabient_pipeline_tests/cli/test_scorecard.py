from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline_tests.cli.conftest import Grabient


@pytest.mark.usefixtures("keys", "three_palettes")
def test_the_scorecard_as_table_plot_and_json(grabient: Grabient, tmp_path: Path) -> None:
    result = grabient("scorecard")
    assert (result.status, result.out) == (0, "There is nothing to compare yet: no model has answered.\n")
    grabient("backfill", "--include-retired", "--provider", "openai", "--analysis-count", 2)
    assert grabient("poll", "--watch", "--interval", 0.05).status == 0
    picture = tmp_path / "models.png"
    result = grabient("scorecard", "--plot", picture)
    assert result.status == 0
    assert "openai/gpt-4o-mini" in result.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    models = grabient("scorecard", "--json").json["models"]
    assert {model["model"] for model in models} == {"gpt-4o-mini", "gpt-5-nano"}
