"""`grabient cancel`: batches, orders, or everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline_tests.cli.conftest import Grabient

MINI = "openai/gpt-4o-mini"
OSS = "groq/openai/gpt-oss-20b"


@pytest.fixture
def pending(grabient: Grabient, keys: dict[str, str], three_palettes: Path, sandbox: SandboxServer) -> SandboxServer:
    """Two pending batches of one order, which stay in cancelling once they are cancelled."""
    sandbox.sandbox.faults.arm("slow_batch", None, None)
    sandbox.sandbox.faults.arm("stuck_cancelling", None, None)
    submitted = grabient("backfill", "--model", MINI, "--model", OSS, "--analysis-count", 1)
    assert submitted.status == 0, submitted.err
    return sandbox


def cancellations(sandbox: SandboxServer) -> int:
    return sum("cancel" in call["path"] for call in sandbox.sandbox.requests)


def test_everything_is_cancelled_once(grabient: Grabient, pending: SandboxServer) -> None:
    result = grabient("cancel", "--all", "--json").json
    assert (result["orders"], len(result["batches"])) == ([1], 2)
    assert cancellations(pending) == 2
    assert grabient("status", "--json").json["orders"] == []


def test_an_order_is_cancelled_with_its_batches(grabient: Grabient, pending: SandboxServer) -> None:
    result = grabient("cancel", "--order", "1")
    assert result.status == 0
    assert f"Order 1 ended: {OSS}, {MINI}" in result.out
    assert cancellations(pending) == 2


@pytest.mark.parametrize("which", [("--all",), ("--order", "1")])
def test_batches_under_way_can_come_to_their_end(
    grabient: Grabient, pending: SandboxServer, which: tuple[str, ...]
) -> None:
    result = grabient("cancel", *which, "--waiting-only", "--json").json
    assert (result["orders"], result["batches"]) == ([1], [])
    assert cancellations(pending) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--all", "--order", "1"), "pass --order N, or pass --all"),
        (("batch_1", "--waiting-only"), "--waiting-only goes with"),
        (("--order", "7"), "there is no open order 7"),
    ],
)
def test_what_cannot_be_meant_is_refused(grabient: Grabient, arguments: tuple[str, ...], words: str) -> None:
    refused = grabient("cancel", *arguments)
    assert refused.status == 1
    assert words in refused.err
