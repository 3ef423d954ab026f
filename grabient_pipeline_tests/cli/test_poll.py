from __future__ import annotations

import pytest

from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline_tests.cli.conftest import Grabient

MINI = "openai/gpt-4o-mini"


@pytest.mark.usefixtures("keys", "three_palettes")
def test_a_poll_that_reaches_no_provider_fails_with_the_reason(
    grabient: Grabient, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxServer
) -> None:
    sandbox.sandbox.faults.arm("slow_batch")
    assert grabient("backfill", "--model", MINI, "--analysis-count", 1).status == 0
    pending = grabient("poll")
    assert pending.status == 0
    assert pending.out.startswith("1 batch pending: 1 ")
    monkeypatch.delenv("OPENAI_API_KEY")
    for arguments in ([], ["--watch"]):
        unreachable = grabient("poll", *arguments)
        assert unreachable.status == 1
        assert unreachable.err.splitlines() == ["grabient: OpenAI left out: OPENAI_API_KEY is not set"]


@pytest.fixture
def submitted(
    grabient: Grabient, keys: dict[str, str], three_palettes: object, monkeypatch: pytest.MonkeyPatch
) -> Grabient:
    """One batch, which has ended."""
    monkeypatch.setenv("GRABIENT_REFINEMENT_MODEL", "none")
    assert grabient("backfill", "--model", MINI, "--analysis-count", 1).status == 0
    return grabient


class TestWatching:
    @pytest.mark.parametrize(
        "fault",
        [
            {"name": "batch_gone", "times": 1},
            {"name": "down", "times": 3, "status": 500, "calls": "reading"},
            {"name": "nothing_counted", "times": 5},
            {"name": "foreign_download", "times": 4},
        ],
        ids=lambda fault: fault["name"],
    )
    def test_it_stays_while_a_failure_may_pass(
        self, submitted: Grabient, sandbox: SandboxServer, fault: dict[str, object]
    ) -> None:
        sandbox.sandbox.faults.arm_all(fault)
        watched = submitted("poll", "--watch", "--interval", 0.01, "--json")
        assert watched.status == 0
        (batch,) = watched.json["collected"]
        assert sum(batch["requests"].values()) == 3
        assert (watched.json["pending"], watched.json["waiting"]) == (0, {})

    @pytest.mark.parametrize("key", ["", "sk-wrong"], ids=["missing", "refused"])
    def test_it_leaves_if_nobody_can_be_asked(
        self, submitted: Grabient, monkeypatch: pytest.MonkeyPatch, key: str
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
        watched = submitted("poll", "--watch", "--interval", 0.01)
        assert watched.status == 1
        assert "OPENAI_API_KEY" in watched.err or "HTTP 401" in watched.err

    def test_a_batch_to_collect_is_not_nothing(self, submitted: Grabient, sandbox: SandboxServer) -> None:
        sandbox.sandbox.faults.arm("nothing_counted")
        polled = submitted("poll")
        assert polled.status == 0
        assert "1 batch to collect" in polled.out
        assert "No batches are pending" not in polled.out
        assert "waiting for 3 results" in polled.err


class TestReasons:
    """The provider's own words reach the person."""

    def test_of_a_batch_that_failed_as_a_whole(self, submitted: Grabient, sandbox: SandboxServer) -> None:
        submitted("poll")
        sandbox.sandbox.faults.arm("fail_batch", code="billing_hard_limit_reached", message="Billing hard limit.")
        submitted("backfill", "--model", MINI, "--analysis-count", 2)
        polled = submitted("poll")
        assert "billing_hard_limit_reached: Billing hard limit." in polled.err
        assert "billing_hard_limit_reached" in submitted("status").out

    def test_of_requests_that_failed(self, grabient: Grabient, submitted: Grabient, sandbox: SandboxServer) -> None:
        submitted("poll")
        sandbox.sandbox.faults.arm("fail_rows", status=429, message="You exceeded your current quota.")
        for _ in range(3):
            submitted("backfill", "--model", MINI, "--analysis-count", 2)
            assert "You exceeded your current quota." in submitted("poll").err
        for command in ("status", "quarantine"):
            assert "You exceeded your current quota." in grabient(command).out
        again = submitted("backfill", "--model", MINI, "--analysis-count", 2)
        assert "Nothing is missing" not in again.out
        assert "failed three times" in again.out


class TestAbandon:
    def test_it_asks_first(self, submitted: Grabient) -> None:
        (batch,) = submitted("status", "--json").json["open_batches"]
        refused = submitted("abandon", batch["submission"])
        assert refused.status == 1
        assert "3 requests, which may be billed at about" in refused.err
        assert "pass --yes" in refused.err
        done = submitted("abandon", batch["batch_id"], "--yes", "--json")
        assert done.json["freed"] == 3
        assert done.json["may_cost_usd"] > 0
        assert submitted("abandon", batch["batch_id"], "--yes").status == 1

    def test_resume_of_a_model_that_is_not_paused(self, submitted: Grabient) -> None:
        assert submitted("resume", MINI).out == f"{MINI} is not paused.\n"
        assert submitted("resume", "openai/nobody").status == 1
