"""`grabient refine`, which polling also does, and `--stale`, which polling never does because it costs money again."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline_tests.cli.conftest import Grabient

MINI = "openai/gpt-4o-mini"


@pytest.fixture
def refined(grabient: Grabient, keys: dict[str, str], three_palettes: Path) -> Grabient:
    """Three palettes, tagged once by one model, and refined."""
    grabient("backfill", "--model", MINI, "--analysis-count", 1)
    assert grabient("poll", "--watch", "--interval", 0.05).status == 0
    assert grabient("status", "--json").json["refined"] == 3
    return grabient


def test_nothing_is_ready_before_there_are_answers(
    grabient: Grabient, keys: dict[str, str], three_palettes: Path
) -> None:
    result = grabient("refine")
    assert (result.status, result.out) == (0, "There is nothing to refine yet: no palette has a usable answer.\n")


def test_refined_palettes_are_not_refined_again(refined: Grabient, sandbox: SandboxServer) -> None:
    before = len(sandbox.sandbox.store.batches())
    result = refined("refine")
    assert (result.status, result.out) == (
        0,
        "Nothing is ready: every palette is refined or still being tagged.\n",
    )
    assert len(sandbox.sandbox.store.batches()) == before


def test_stale_refinements_are_shown_with_their_cost_and_refreshed_only_on_request(
    refined: Grabient, sandbox: SandboxServer
) -> None:
    refined("backfill", "--model", MINI, "--analysis-count", 2, "--limit", 2)
    assert refined("poll", "--watch", "--interval", 0.05).status == 0
    stale = refined("status", "--json").json["stale"]
    assert stale >= 1
    before = len(sandbox.sandbox.store.batches())

    result = refined("refine")
    assert result.status == 0
    assert f"{stale} palette" in result.err
    assert "(grabient refine --stale)" in result.err
    estimate = refined("refine", "--stale", "--dry-run", "--json").json
    assert (estimate["requests"], estimate["dry_run"]) == (stale, True)
    assert refined("refine", "--dry-run", "--json").json["stale"] == {
        "palettes": stale,
        "estimated_cost_usd": estimate["estimated_cost_usd"],
    }
    assert len(sandbox.sandbox.store.batches()) == before

    assert refined("refine", "--stale").status == 0
    assert refined("poll", "--watch", "--interval", 0.05).status == 0
    assert refined("status", "--json").json["stale"] == 0


def test_now_does_not_wait_for_outstanding_answers(
    grabient: Grabient, keys: dict[str, str], three_palettes: Path, sandbox: SandboxServer
) -> None:
    grabient("backfill", "--model", MINI, "--analysis-count", 1)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRABIENT_REFINEMENT_MODEL", "none")
        assert grabient("poll", "--watch", "--interval", 0.05).status == 0
    sandbox.sandbox.faults.arm("slow_batch", "google")
    grabient("backfill", "--model", "google/gemini-2.5-flash-lite", "--analysis-count", 1)

    assert grabient("refine").out == "Nothing is ready: every palette is refined or still being tagged.\n"
    facts = grabient("refine", "--now", "--dry-run", "--json").json
    assert (facts["requests"], facts["unsettled"]) == (3, 3)
    result = grabient("refine", "--now")
    assert result.status == 0
    assert "3 of them have answers outstanding and would be stale" in result.err
    assert grabient("refine", "--now", "--json").json["unsettled"] == 0


def test_any_model_of_the_catalogue_can_refine(
    grabient: Grabient, keys: dict[str, str], three_palettes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRABIENT_REFINEMENT_MODEL", "google/gemini-2.5-flash-lite")
    grabient("backfill", "--model", MINI, "--analysis-count", 1)
    assert grabient("poll", "--watch", "--interval", 0.05).status == 0
    (model,) = grabient("status", "--json").json["refining_models"]
    assert (model["provider"], model["model"], model["usable"]) == ("google", "gemini-2.5-flash-lite", 3)


def test_above_the_cap_nothing_is_submitted(refined: Grabient) -> None:
    refined("backfill", "--model", MINI, "--analysis-count", 2)
    refined("poll", "--watch", "--interval", 0.05)
    result = refined("refine", "--stale", "--max-cost", 0.0001)
    assert result.status == 1
    assert "above the cap of $0.00" in result.err
