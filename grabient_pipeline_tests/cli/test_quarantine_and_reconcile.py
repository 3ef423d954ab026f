from __future__ import annotations

import pytest

from grabient_pipeline_tests.cli.conftest import Grabient


@pytest.mark.usefixtures("keys", "three_palettes")
def test_an_empty_quarantine(grabient: Grabient) -> None:
    assert grabient("quarantine").out == "Quarantine is empty.\n"
    assert grabient("quarantine", "--free").out == "Released 0 requests; the next backfill submits them again.\n"
    assert grabient("quarantine", "--json").json == {"resting": [], "freed": 0}
    refused = grabient("quarantine", "--model", "openai/gpt-4o-mini")
    assert (refused.status, refused.out) == (1, "")
    assert "--model requires --free" in refused.err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_nothing_to_reconcile_or_cancel(grabient: Grabient) -> None:
    assert grabient("reconcile").out == "No batches are lost.\n"
    assert grabient("cancel", "--all").out == "No batches are pending.\n"
    refused = grabient("cancel")
    assert (refused.status, refused.out) == (1, "")
    assert "pass --all" in refused.err
