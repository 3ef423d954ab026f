from __future__ import annotations

import time
from pathlib import Path

import pytest

from grabient_pipeline import settings as settings_module
from grabient_pipeline.cli.submission import parse_hours
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.panel import resolve_panel
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.warehouse import connect
from grabient_pipeline_tests.catalogue import ENABLED
from grabient_pipeline_tests.cli.conftest import Grabient
from grabient_pipeline_tests.conftest import wait_for_batches

PANEL = resolve_panel().models
MINI = "openai/gpt-4o-mini"


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_backfill_from_submission_to_refinement(grabient: Grabient, sandbox: SandboxServer) -> None:
    result = grabient("backfill", "--include-retired", "--analysis-count", 2)
    assert result.status == 0
    assert all(model.name in result.out for model in ENABLED)
    assert f"Submitted {len(ENABLED)} batches, {len(ENABLED) * 3 * 2} requests, estimated $" in result.out

    again = grabient("backfill", "--include-retired", "--analysis-count", 2)
    assert (again.status, again.out) == (0, "Nothing is missing: every response is collected or pending.\n")

    status = grabient("status", "--json").json
    assert status["requests"] == {"in_flight": 6 * len(ENABLED)}
    assert len(status["open_batches"]) == len(ENABLED)

    watched = grabient("poll", "--watch", "--interval", 0.05, "--json")
    assert watched.status == 0
    assert watched.json["pending"] == 0
    tagging = [batch for batch in watched.json["collected"] if batch["stage"] == "tagging"]
    refinement = [batch for batch in watched.json["collected"] if batch["stage"] == "refinement"]
    assert len(tagging) == len(ENABLED)
    assert sum(sum(batch["requests"].values()) for batch in tagging) == 6 * len(ENABLED)
    # Polling submits the second stage too, and unusable answers again.
    assert watched.json["sent_to_be_refined"] == sum(sum(batch["requests"].values()) for batch in refinement) >= 3

    assert len(sandbox.sandbox.store.batches()) == len(watched.json["collected"])
    status = grabient("status", "--json").json
    assert status["batches"] == {"completed": len(watched.json["collected"])}
    assert status["answers"] == 6 * len(ENABLED) > status["usable_answers"] - 1 > 5 * len(ENABLED)
    assert (status["consensus"], status["refined"], status["stale"]) == (3, 3, 0)
    assert status["outstanding_usd"] == 0 < status["cost_usd"]
    # The refining model has its own row, because it has its own cost.
    assert "anthropic/claude-opus-4-5-20251101 (refining)" in grabient("status").out
    assert grabient("poll").out == "No batches are pending.\n"


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_new_ledger_in_the_default_folder_is_announced_once(
    grabient: Grabient, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = f"Starting a new ledger in {data_dir} (set GRABIENT_DATA_DIR to use another folder)\n"
    command = ("backfill", "--model", MINI, "--analysis-count")
    monkeypatch.setattr(settings_module, "default_data_dir", lambda: data_dir)
    assert notice not in grabient(*command, 1, "--dry-run").err
    assert notice not in grabient("poll").err
    result = grabient(*command, 1)
    assert result.err.count(notice) == 1
    assert "ledger" not in result.out
    assert "Submitted 1 batch" in grabient(*command, 2).out
    assert notice not in grabient(*command, 3).err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_new_ledger_in_a_chosen_folder_is_not_announced(grabient: Grabient) -> None:
    assert "ledger" not in grabient("backfill", "--model", MINI).err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_one_line_says_that_retired_models_have_successors(grabient: Grabient) -> None:
    result = grabient("backfill", "--analysis-count", 1, "--dry-run")
    assert f"Would submit {len(PANEL)} batches" in result.out
    assert [line.split()[0] for line in result.out.splitlines() if "would be submitted" in line] == [
        model.name for model in PANEL
    ]
    (line,) = result.err.splitlines()
    assert line.endswith("of the mission's models are retired; their successors answer (grabient panel)")


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_named_model_that_is_retired_is_left_out_with_its_replacement(grabient: Grabient) -> None:
    result = grabient("backfill", "--model", "anthropic/claude-3-5-haiku-20241022")
    assert "its replacement is anthropic/claude-haiku-5-5" in result.err
    assert result.out == "Nothing was submitted.\n"


@pytest.mark.usefixtures("keys", "three_palettes")
def test_what_a_retired_model_answered_is_asked_only_on_request(grabient: Grabient, sandbox: SandboxServer) -> None:
    place = ("--model", "anthropic/claude-3-5-haiku-20241022", "--include-retired")
    assert "Submitted 1 batch, 3 requests" in grabient("backfill", *place, "--analysis-count", 1).out
    wait_for_batches(sandbox)
    assert grabient("poll").status == 0
    successor = ("backfill", "--model", "anthropic/claude-haiku-5-5", "--analysis-count", 1)
    result = grabient(*successor)
    assert result.out.startswith("Nothing is missing")
    assert "3 requests not needed, because a retired model answered" in result.out + result.err
    facts = grabient(*successor, "--dry-run", "--json").json
    assert (facts["requests"], facts["answered_elsewhere"]) == (0, 3)
    anew = grabient(*successor, "--anew", "--dry-run", "--json").json
    assert (anew["requests"], anew["estimated_cost_usd"]) == (3, pytest.approx(facts["answered_elsewhere_usd"]))


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_dry_run_submits_nothing(grabient: Grabient, sandbox: SandboxServer) -> None:
    result = grabient("backfill", "--model", MINI, "--limit", 2, "--analysis-count", 4, "--dry-run")
    assert result.status == 0
    assert "Would submit 1 batch, 8 requests, estimated $" in result.out
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
    result = grabient("backfill", "--model", MINI, *(["--max-cost", "0.000001"] if by == "option" else []))
    assert (result.status, result.out) == (1, "")
    assert "above the cap of $0.00. Nothing was submitted." in result.err.splitlines()[-1]
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
def test_an_invalid_request_is_explained_in_one_line(grabient: Grabient, arguments: list[str], reason: str) -> None:
    result = grabient("backfill", *arguments)
    assert (result.status, result.out) == (1, "")
    assert reason in result.err.splitlines()[-1]


def test_without_palettes_there_is_nothing_to_do(grabient: Grabient, keys: dict[str, str]) -> None:
    result = grabient("backfill", "--model", MINI)
    assert (result.status, result.out) == (0, "There are no palettes yet: grabient import adds them.\n")


@pytest.mark.usefixtures("three_palettes")
def test_without_any_key_the_variables_are_named(grabient: Grabient) -> None:
    result = grabient("backfill")
    assert result.status == 1
    last = result.err.splitlines()[-1]
    assert all(provider.key_variable in last for provider in load_catalogue().providers.values())


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_missing_key_leaves_out_only_its_provider(grabient: Grabient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY")
    result = grabient("backfill", "--analysis-count", 1)
    assert result.status == 0
    assert "Groq left out: GROQ_API_KEY is not set" in result.err.splitlines()
    remaining = sum(model.provider != "groq" for model in PANEL)
    assert f"Submitted {remaining} batches" in result.out


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_wrong_key_fails_its_provider_and_is_never_shown(grabient: Grabient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong-key-3f9c")
    result = grabient("backfill", "--analysis-count", 1)
    assert result.status == 1
    assert "openai" in result.err.splitlines()[-1]
    assert "401" in result.err.splitlines()[-1]
    remaining = sum(model.provider != "openai" for model in PANEL)
    assert f"Submitted {remaining} batches" in result.out
    assert "wrong-key-3f9c" not in result.out + result.err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_submission_with_an_unknown_outcome_needs_attention(grabient: Grabient, sandbox: SandboxServer) -> None:
    sandbox.sandbox.faults.arm("create_then_500", "openai")
    result = grabient("backfill", "--model", MINI, "--analysis-count", 1)
    assert result.status == 1
    assert "it stays reserved" in result.err
    status = grabient("status")
    assert status.out.index("Needs attention") < status.out.index("it stays reserved")


def test_no_key_is_ever_shown(grabient: Grabient, keys: dict[str, str], three_palettes: Path) -> None:
    results = [
        grabient("models"),
        grabient("models", "--json"),
        grabient("backfill", "--analysis-count", 1),
        grabient("poll"),
        grabient("status"),
    ]
    shown = "".join(each.out + each.err for each in results)
    assert not [key for name, key in keys.items() if name.endswith("_KEY") and key in shown]


@pytest.mark.usefixtures("keys", "three_palettes")
class TestDeadline:
    @pytest.mark.parametrize(
        ("text", "hours"), [("12h", 12.0), ("90m", 1.5), ("2d", 48.0), ("12", 12.0), (" 1.5H ", 1.5)]
    )
    def test_it_is_a_time_with_or_without_a_unit(self, text: str, hours: float) -> None:
        assert parse_hours(text) == hours

    @pytest.mark.parametrize("text", ["soon", "", "h", "12 hours", "1h30m"])
    def test_anything_else_is_wrong_usage(self, grabient: Grabient, text: str) -> None:
        result = grabient("backfill", "--deadline", text)
        assert result.status == 2
        assert "write 12h, 90m or 2d" in result.err

    @pytest.mark.parametrize("text", ["0", "-1h", "31d", "nan", "inf"])
    def test_one_out_of_range_is_rejected(self, grabient: Grabient, text: str) -> None:
        result = grabient("backfill", "--model", MINI, "--deadline", text)
        assert result.status == 1
        assert "more than 0 and at most 720 (30 days)" in result.err

    @pytest.mark.parametrize("command", ["backfill", "refine"])
    def test_what_happens_then_needs_a_deadline(self, grabient: Grabient, command: str) -> None:
        result = grabient(command, "--then", "leave")
        assert result.status == 1
        assert "no deadline is (--deadline)" in result.err
        assert grabient(command, "--deadline", "1h", "--then", "never").status == 2

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_the_cost_of_the_late_rest_is_said(self, grabient: Grabient, dry_run: bool) -> None:
        options = ["--model", MINI, "--deadline", "12h", "--then", "direct", *(["--dry-run"] if dry_run else [])]
        result = grabient("backfill", *options, "--json")
        assert result.json["late_cost_usd"] == pytest.approx(2 * result.json["estimated_cost_usd"])
        assert "not answered after 12 hours is asked by ordinary calls at full price: at most $" in result.err

    def test_a_poll_cancels_what_is_late(self, grabient: Grabient, sandbox: SandboxServer) -> None:
        sandbox.sandbox.faults.arm("slow_batch", "openai", 1, seconds=90)
        grabient("backfill", "--model", MINI, "--analysis-count", 1, "--deadline", "0.0001")
        time.sleep(0.5)
        result = grabient("poll")
        assert "Cancelled 1 late batch\n" in result.out
        assert sandbox.sandbox.store.batches()[0].cancelled is not None
        assert grabient("poll", "--json").json["cancelled_late"] == 0

    def test_it_is_recorded_with_the_order(self, grabient: Grabient, data_dir: Path) -> None:
        grabient("backfill", "--model", MINI, "--deadline", "90m")
        with connect(data_dir) as connection:
            assert connection.execute("SELECT deadline_hours, when_late FROM orders").fetchall() == [(1.5, "again")]
        result = grabient("backfill", "--model", MINI, "--deadline", "1h")
        assert "nothing new is ordered, so the deadline applies to nothing" in result.err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_backfill_with_pictures_is_compared_with_the_plain_one(grabient: Grabient) -> None:
    blind = "groq/openai/gpt-oss-20b"
    grabient("backfill", "--include-retired", "--model", MINI, "--analysis-count", 1)
    first = grabient("backfill", "--with-image", "--model", MINI, "--model", blind, "--analysis-count", 1)
    assert f"1 model takes no pictures and is left out: {blind}" in first.err
    assert "Submitted 1 batch, 3 requests" in first.out
    assert "nothing to compare yet" in grabient("scorecard", "--compare").out
    assert grabient("poll", "--watch", "--interval", 0.05).status == 0
    prompts = {each["version"]: each for each in grabient("prompts", "list", "--json").json["prompts"]}
    (pictures,) = [version for version, each in prompts.items() if each["with_image"]]
    listed = grabient("prompts", "list")
    assert "with pictures" in listed.out
    assert "last: counts for palettes without an answer to another version" in listed.err
    compared = grabient("scorecard", "--compare")
    assert pictures in compared.out
    assert "Only palettes and models with answers to all of these prompts count." in compared.out
    assert list(grabient("scorecard", "--compare", "--json").json["prompts"])[1] == pictures
    assert MINI in grabient("scorecard", "--prompt", pictures[:6]).out
    assert grabient("scorecard", "--prompt", pictures, "--compare").status == 2
