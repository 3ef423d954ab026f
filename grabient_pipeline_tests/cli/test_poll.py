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
