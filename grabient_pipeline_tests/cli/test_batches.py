from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline import settings as settings_module
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline_tests.cli.conftest import Grabient

ENABLED = [model for model in load_catalogue().models if model.enabled]
ACTIVE = [model for model in ENABLED if not model.retired()]
MINI = "openai/gpt-4o-mini"


@pytest.mark.usefixtures("keys", "three_palettes")
def test_the_way_of_a_backfill(grabient: Grabient, sandbox: SandboxServer) -> None:
    told = grabient("backfill", "--include-retired", "--analysis-count", 2)
    assert told.status == 0
    assert all(model.name in told.out for model in ENABLED)
    assert f"Submitted {len(ENABLED)} batches, {len(ENABLED) * 3 * 2} requests, estimated $" in told.out

    again = grabient("backfill", "--include-retired", "--analysis-count", 2)
    assert (again.status, again.out) == (0, "Nothing is missing: every answer is there or under way.\n")

    status = grabient("status", "--json").json
    assert status["requests"] == {"in_flight": 60}
    assert len(status["open_batches"]) == len(ENABLED)

    watched = grabient("poll", "--watch", "--interval", 0.05, "--json")
    assert watched.status == 0
    assert watched.json["pending"] == 0
    tagging = [batch for batch in watched.json["collected"] if batch["stage"] == "tagging"]
    refinement = [batch for batch in watched.json["collected"] if batch["stage"] == "refinement"]
    assert len(tagging) == len(ENABLED)
    assert sum(sum(batch["requests"].values()) for batch in tagging) == 60
    # Polling goes on to the second stage by itself; what could not be used is asked again.
    assert watched.json["sent_to_be_refined"] == sum(sum(batch["requests"].values()) for batch in refinement) >= 3

    assert len(sandbox.sandbox.store.batches()) == len(watched.json["collected"])
    status = grabient("status", "--json").json
    assert status["batches"] == {"completed": len(watched.json["collected"])}
    assert status["answers"] == 60 > status["usable_answers"] - 1 > 50
    assert (status["consensus"], status["refined"], status["stale"]) == (3, 3, 0)
    assert status["outstanding_usd"] == 0 < status["cost_usd"]
    # Who refines has a line of its own, since that has its cost too.
    assert "anthropic/claude-opus-4-5-20251101 (refining)" in grabient("status").out
    assert grabient("poll").out == "Nothing is under way.\n"


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_new_ledger_in_the_default_folder_is_announced_once(
    grabient: Grabient, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = f"Starting a new ledger in {data_dir} (set GRABIENT_DATA_DIR to use another folder)\n"
    command = ("backfill", "--model", MINI, "--analysis-count")
    monkeypatch.setattr(settings_module, "default_data_dir", lambda: data_dir)
    assert notice not in grabient(*command, 1, "--dry-run").err
    assert notice not in grabient("poll").err
    told = grabient(*command, 1)
    assert told.err.count(notice) == 1
    assert "ledger" not in told.out
    assert "Submitted 1 batch" in grabient(*command, 2).out
    assert notice not in grabient(*command, 3).err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_new_ledger_in_a_chosen_folder_is_not_announced(grabient: Grabient) -> None:
    assert "ledger" not in grabient("backfill", "--model", MINI).err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_models_that_are_retired_are_left_out_with_their_replacement(grabient: Grabient) -> None:
    told = grabient("backfill", "--analysis-count", 1)
    assert f"Submitted {len(ACTIVE)} batches" in told.out
    assert "its replacement is anthropic/claude-haiku-4-5-20251001" in told.err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_dry_run_tells_and_does_nothing(grabient: Grabient, sandbox: SandboxServer) -> None:
    told = grabient("backfill", "--model", MINI, "--limit", 2, "--analysis-count", 4, "--dry-run")
    assert told.status == 0
    assert "Would submit 1 batch, 8 requests, estimated $" in told.out
    assert grabient("backfill", "--model", MINI, "--dry-run", "--json").json["requests"] == 24
    assert not sandbox.sandbox.store.batches()
    assert grabient("status", "--json").json["requests"] == {}


@pytest.mark.usefixtures("keys", "three_palettes")
@pytest.mark.parametrize("by", ["option", "variable"])
def test_above_the_cap_nothing_is_submitted(
    grabient: Grabient, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "variable":
        monkeypatch.setenv("GRABIENT_MAX_COST_USD", "0.000001")
    told = grabient("backfill", "--model", MINI, *(["--max-cost", "0.000001"] if by == "option" else []))
    assert (told.status, told.out) == (1, "")
    assert "above the cap of $0.00. Nothing was submitted." in told.err.splitlines()[-1]
    assert not sandbox.sandbox.store.batches()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(["--model", "gpt-9"], "there is no model 'gpt-9'", id="model"),
        pytest.param(["--provider", "acme"], "there is no provider 'acme'", id="provider"),
        pytest.param(["--limit", "0"], "it must be 1 palette or more", id="limit"),
        pytest.param(["--max-cost", "nan"], "it must be 0 US dollars or more", id="cap"),
    ],
)
def test_what_cannot_be_asked_for_is_explained_in_one_line(
    grabient: Grabient, arguments: list[str], reason: str
) -> None:
    told = grabient("backfill", *arguments)
    assert (told.status, told.out) == (1, "")
    assert reason in told.err.splitlines()[-1]


def test_without_palettes_there_is_nothing_to_do(grabient: Grabient, keys: dict[str, str]) -> None:
    told = grabient("backfill", "--model", MINI)
    assert (told.status, told.out) == (0, "There are no palettes yet: grabient import adds them.\n")


@pytest.mark.usefixtures("three_palettes")
def test_without_any_key_the_variables_are_named(grabient: Grabient) -> None:
    told = grabient("backfill")
    assert told.status == 1
    last = told.err.splitlines()[-1]
    assert all(provider.key_variable in last for provider in load_catalogue().providers.values())


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_missing_key_leaves_its_provider_out_and_the_others_go_on(
    grabient: Grabient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROQ_API_KEY")
    told = grabient("backfill", "--analysis-count", 1)
    assert told.status == 0
    assert "Groq left out: GROQ_API_KEY is not set" in told.err.splitlines()
    assert "Submitted 3 batches" in told.out


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_wrong_key_fails_its_provider_and_is_never_shown(grabient: Grabient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong-key-3f9c")
    told = grabient("backfill", "--analysis-count", 1)
    assert told.status == 1
    assert "openai" in told.err.splitlines()[-1]
    assert "401" in told.err.splitlines()[-1]
    assert "Submitted 3 batches" in told.out
    assert "wrong-key-3f9c" not in told.out + told.err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_poll_that_can_ask_nobody_fails_with_the_reason(
    grabient: Grabient, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxServer
) -> None:
    sandbox.sandbox.faults.arm("slow_batch")
    assert grabient("backfill", "--model", MINI, "--analysis-count", 1).status == 0
    still = grabient("poll")
    assert still.status == 0
    assert still.out.startswith("1 batch under way: 1 ")
    monkeypatch.delenv("OPENAI_API_KEY")
    for arguments in ([], ["--watch"]):
        blind = grabient("poll", *arguments)
        assert blind.status == 1
        assert blind.err.splitlines() == ["grabient: OpenAI left out: OPENAI_API_KEY is not set"]


@pytest.mark.usefixtures("keys", "three_palettes")
def test_what_may_have_been_submitted_needs_a_hand(grabient: Grabient, sandbox: SandboxServer) -> None:
    sandbox.sandbox.faults.arm("create_then_500", "openai")
    told = grabient("backfill", "--model", MINI, "--analysis-count", 1)
    assert told.status == 1
    assert "it stays reserved" in told.err
    status = grabient("status")
    assert status.out.index("Needs a hand") < status.out.index("it stays reserved")


def test_no_key_is_ever_shown(grabient: Grabient, keys: dict[str, str], three_palettes: Path) -> None:
    told = [
        grabient("models"),
        grabient("models", "--json"),
        grabient("backfill", "--analysis-count", 1),
        grabient("poll"),
        grabient("status"),
    ]
    shown = "".join(each.out + each.err for each in told)
    assert not [key for name, key in keys.items() if name.endswith("_KEY") and key in shown]


class TestRefine:
    """`grabient refine`: what polling does by itself, and what it never does: paying again for what has changed."""

    @pytest.fixture
    def refined(self, grabient: Grabient, keys: dict[str, str], three_palettes: Path) -> Grabient:
        """Three palettes, tagged once by one model, and refined."""
        grabient("backfill", "--model", MINI, "--analysis-count", 1)
        assert grabient("poll", "--watch", "--interval", 0.05).status == 0
        assert grabient("status", "--json").json["refined"] == 3
        return grabient

    def test_nothing_is_ready_before_there_are_answers(
        self, grabient: Grabient, keys: dict[str, str], three_palettes: Path
    ) -> None:
        told = grabient("refine")
        assert (told.status, told.out) == (0, "There is nothing to refine yet: no palette has a usable answer.\n")

    def test_what_is_refined_is_not_refined_again(self, refined: Grabient, sandbox: SandboxServer) -> None:
        before = len(sandbox.sandbox.store.batches())
        told = refined("refine")
        assert (told.status, told.out) == (
            0,
            "Nothing is ready: every palette is refined, or its tagging is under way.\n",
        )
        assert len(sandbox.sandbox.store.batches()) == before

    def test_what_is_stale_is_offered_with_its_price_and_paid_only_on_request(
        self, refined: Grabient, sandbox: SandboxServer
    ) -> None:
        refined("backfill", "--model", MINI, "--analysis-count", 2, "--limit", 2)
        assert refined("poll", "--watch", "--interval", 0.05).status == 0
        stale = refined("status", "--json").json["stale"]
        assert stale >= 1
        before = len(sandbox.sandbox.store.batches())

        told = refined("refine")
        assert told.status == 0
        assert f"{stale} palette" in told.err
        assert "(grabient refine --stale)" in told.err
        would = refined("refine", "--stale", "--dry-run", "--json").json
        assert (would["requests"], would["dry_run"]) == (stale, True)
        assert refined("refine", "--dry-run", "--json").json["stale"] == {
            "palettes": stale,
            "estimated_cost_usd": would["estimated_cost_usd"],
        }
        assert len(sandbox.sandbox.store.batches()) == before

        assert refined("refine", "--stale").status == 0
        assert refined("poll", "--watch", "--interval", 0.05).status == 0
        assert refined("status", "--json").json["stale"] == 0

    def test_any_model_of_the_catalogue_can_refine(
        self, grabient: Grabient, keys: dict[str, str], three_palettes: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GRABIENT_REFINEMENT_MODEL", "google/gemini-2.5-flash-lite")
        grabient("backfill", "--model", MINI, "--analysis-count", 1)
        assert grabient("poll", "--watch", "--interval", 0.05).status == 0
        (model,) = grabient("status", "--json").json["refining_models"]
        assert (model["provider"], model["model"], model["usable"]) == ("google", "gemini-2.5-flash-lite", 3)

    def test_above_the_cap_nothing_is_submitted(self, refined: Grabient) -> None:
        refined("backfill", "--model", MINI, "--analysis-count", 2)
        refined("poll", "--watch", "--interval", 0.05)
        told = refined("refine", "--stale", "--max-cost", 0.0001)
        assert told.status == 1
        assert "above the cap of $0.00" in told.err
