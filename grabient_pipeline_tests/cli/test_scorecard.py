from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline_tests.cli.conftest import Grabient


@pytest.mark.usefixtures("keys", "three_palettes")
def test_the_scorecard_tells_and_draws(grabient: Grabient, tmp_path: Path) -> None:
    told = grabient("scorecard")
    assert (told.status, told.out) == (0, "There is nothing to compare yet: no model has given an answer.\n")
    grabient("backfill", "--include-retired", "--provider", "openai", "--analysis-count", 2)
    assert grabient("poll", "--watch", "--interval", 0.05).status == 0
    picture = tmp_path / "models.png"
    told = grabient("scorecard", "--plot", picture)
    assert told.status == 0
    assert "openai/gpt-4o-mini" in told.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    models = grabient("scorecard", "--json").json["models"]
    assert {model["model"] for model in models} == {"gpt-4o-mini", "gpt-5-nano"}
