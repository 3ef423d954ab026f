from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline.tagging import TAGGING_PROMPT
from grabient_pipeline_tests import convex_exports as exports
from grabient_pipeline_tests.catalogue import ENABLED
from grabient_pipeline_tests.cli.conftest import Grabient


@pytest.fixture
def moved(grabient: Grabient, tmp_path: Path) -> None:
    path = exports.write_zip(tmp_path / "export.zip", exports.export("cycles"))
    assert grabient("import-convex", path).status == 0


@pytest.mark.usefixtures("moved")
def test_list_show_and_diff(grabient: Grabient) -> None:
    listed = grabient("prompts", "list")
    assert exports.VERSION in listed.out
    facts = {each["version"]: each for each in grabient("prompts", "list", "--json").json["prompts"]}
    assert facts[TAGGING_PROMPT.version]["current"]
    assert grabient("prompts", "show", "1b63").out == "You tag palettes.\nVersion 0.\n"
    assert "== system" in grabient("prompts", "show", TAGGING_PROMPT.version).out
    assert grabient("prompts", "show", TAGGING_PROMPT.version, "--json").json["content"] == TAGGING_PROMPT.content
    assert "+Version 1." in grabient("prompts", "diff", "1b63", "5fa0").out.splitlines()
    same = grabient("prompts", "diff", "1b63", "1b63")
    assert (same.status, same.out) == (0, "")
    unknown = grabient("prompts", "show", "nothing")
    assert (unknown.status, unknown.out) == (1, "")
    assert "grabient prompts list" in unknown.err


@pytest.mark.usefixtures("moved")
def test_count(grabient: Grabient) -> None:
    assert f"{exports.VERSION} tagging, 30 usable answers" in grabient("prompts", "count", "1b63").out
    assert exports.NEWER_VERSION not in grabient("prompts", "count", "1b63", "--json").json["counting"]
    assert exports.NEWER_VERSION in grabient("prompts", "count", "--all", "--json").json["counting"]
    assert grabient("prompts", "count").status == 2
    assert grabient("prompts", "count", "1b63", "--all").status == 2


@pytest.mark.usefixtures("moved")
def test_plan(grabient: Grabient) -> None:
    result = grabient("plan", "--analysis-count", 2)
    assert result.status == 0
    assert "no key" in result.out
    assert "grabient refine --stale" in result.out
    planned = grabient("plan", "--analysis-count", 2, "--include-retired", "--json").json
    assert planned["requests"] == 6 * len(ENABLED)
    assert planned["total_cost_usd"] == pytest.approx(planned["tagging_cost_usd"] + planned["refinement_cost_usd"])
    wrong = grabient("plan", "--analysis-count", 21)
    assert (wrong.status, wrong.out) == (1, "")
