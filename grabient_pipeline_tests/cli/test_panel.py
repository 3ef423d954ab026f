"""`grabient panel`: who answers by default, today and after the next models have ended."""

from __future__ import annotations

import datetime as dt

import pytest

from grabient_pipeline.providers.panel import mission_price_usd, panel_ends, resolve_panel
from grabient_pipeline_tests.cli.conftest import Grabient

MINI = "openai/gpt-4o-mini"
SUCCESSOR = "anthropic/claude-haiku-5-5"
DEAR = "google/gemini-3.1-flash-lite"


def models(grabient: Grabient) -> list[str]:
    return [place["model"] for place in grabient("panel", "--json").json["panels"][0]["places"] if place["model"]]


def test_the_panel_of_today_and_after_the_next_ends(grabient: Grabient) -> None:
    today = resolve_panel()
    days = panel_ends(today)[:2]
    facts = grabient("panel", "--json").json
    assert [panel["day"] for panel in facts["panels"]] == [
        day.isoformat() for day in (dt.datetime.now(dt.UTC).date(), *days)
    ]
    for panel, day in zip(facts["panels"], (None, *days), strict=True):
        expected = resolve_panel(today=day)
        assert [place["model"] for place in panel["places"] if place["model"]] == [m.name for m in expected.models]
        assert panel["usd_per_analysis"] == pytest.approx(expected.price_usd)
    assert facts["mission_usd_per_10000_palettes"] == pytest.approx(mission_price_usd() * 10_000 * 8)
    assert facts["chosen"] is False


def test_it_is_shown_with_places_prices_and_ends(grabient: Grabient) -> None:
    shown = grabient("panel").out
    (row,) = [line for line in shown.splitlines() if line.lstrip().startswith(SUCCESSOR)]
    assert row.split()[1] == "anthropic/claude-3-5-haiku-20241022"
    # 1,600 input tokens, of which its tokenizer makes 2,080, at $0.05 a million, and 270 output tokens at $0.25.
    assert row.split()[2] == f"{(2_080 * 0.05 + 270 * 0.25) * 10_000 * 8 / 1e6:.2f}"
    assert "costs 6.8 times the median" in " ".join(shown.split())
    assert f"the mission's ten: ${mission_price_usd() * 80_000:.2f}" in shown
    assert shown.startswith("Today: ")
    assert "\nFrom 20" in shown


def test_it_is_changed_and_taken_back(grabient: Grabient) -> None:
    default = models(grabient)
    assert grabient("panel", "set", MINI, SUCCESSOR).status == 0
    assert models(grabient) == [MINI, SUCCESSOR]
    assert grabient("panel", "add", "gemini-3.1-flash-lite").status == 0
    assert models(grabient) == [MINI, SUCCESSOR, DEAR]
    assert grabient("panel", "add", DEAR).status == 0
    assert grabient("panel", "remove", SUCCESSOR).status == 0
    assert models(grabient) == [MINI, DEAR]
    assert "chosen by a person" in grabient("panel").out + grabient("panel").err
    assert grabient("panel", "reset").status == 0
    assert models(grabient) == default


def test_models_show_who_is_in_the_panel(grabient: Grabient) -> None:
    grabient("panel", "set", MINI, DEAR)
    facts = grabient("models", "--json").json["models"]
    assert {model["model"] for model in facts if model["enabled"]} == {MINI, DEAR}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "openai/gpt-9"), "there is no model 'openai/gpt-9'"),
        (("remove", DEAR), f"{DEAR} is not in the panel; grabient panel shows it"),
        (("set", "x; DROP TABLE palettes"), "there is no model"),
    ],
)
def test_bad_names_change_nothing(grabient: Grabient, arguments: tuple[str, ...], message: str) -> None:
    before = models(grabient)
    result = grabient("panel", *arguments)
    assert result.status == 1
    assert message in result.err
    assert models(grabient) == before


def test_the_last_model_cannot_be_removed(grabient: Grabient) -> None:
    grabient("panel", "set", MINI)
    result = grabient("panel", "remove", MINI)
    assert (result.status, "no model would be left" in result.err) == (1, True)
    assert models(grabient) == [MINI]


@pytest.mark.usefixtures("keys", "three_palettes")
def test_the_backfill_and_the_plan_follow_it(grabient: Grabient) -> None:
    grabient("panel", "set", MINI)
    facts = grabient("backfill", "--dry-run", "--json").json
    assert {batch["model"] for batch in facts["batches"]} == {MINI}
    assert [model["model"] for model in grabient("plan", "--json").json["models"]] == ["gpt-4o-mini"]
    named = grabient("backfill", "--model", DEAR, "--dry-run", "--json").json
    assert {batch["model"] for batch in named["batches"]} == {DEAR}
