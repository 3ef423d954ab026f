"""`grabient status` shows the open orders."""

from __future__ import annotations

import pytest

from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline_tests.cli.conftest import Grabient

HAIKU = "anthropic/claude-haiku-4-5-20251001"


@pytest.fixture
def waiting(grabient: Grabient, keys: dict[str, str], three_palettes: object, sandbox: SandboxServer) -> Grabient:
    """An order of 24 requests, of which 20 fill the queue."""
    del keys, three_palettes
    sandbox.sandbox.faults.arm("slow_batch")
    assert grabient("config", "set", "limits", "anthropic", "requests=20").status == 0
    assert grabient("backfill", "--model", HAIKU, "--analysis-count", 8).status == 0
    return grabient


def test_without_orders(grabient: Grabient, keys: object, three_palettes: object) -> None:
    del keys, three_palettes
    assert "orders          none open\n" in grabient("status").out
    assert grabient("status", "--json").json["orders"] == []


def test_what_an_order_waits_for(waiting: Grabient) -> None:
    shown = waiting("status").out
    assert "orders          1 open (4 requests not sent yet)\n" in shown
    (row,) = [line for line in shown.splitlines() if line.lstrip().startswith("1 ") and HAIKU in line]
    assert row.split()[1:6] == [HAIKU, "20", "0", "4", "room"]
    assert "20 of 20 requests (set)" in row
    assert row.rstrip().endswith(("within 2 days", "within 47 h 59 min"))
    assert "Order 1 (tagging): $0.00 spent, $" in shown
    # Models of the catalogue may be about to end; the order itself needs nobody.
    attention = shown.partition("Needs attention\n")[2].splitlines()
    assert [line for line in attention if "in use will end: " not in line] == []


def test_all_of_it_as_json(waiting: Grabient) -> None:
    (order,) = waiting("status", "--json").json["orders"]
    (part,) = order["parts"]
    assert (order["number"], part["model"], part["sent"], part["waiting"], part["wait"]) == (1, HAIKU, 20, 4, "room")
    assert {use["kind"]: (use["used"], use["most"]) for use in part["room"]}["requests"] == (20, 20)
    assert order["latest_at"] == part["latest_at"] > order["created_at"]
    assert order["likely_at"] is None


def test_what_needs_a_person(waiting: Grabient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    shown = waiting("status").out
    attention = shown[shown.index("Needs attention") :]
    assert "- ANTHROPIC_API_KEY is not set (waiting: 4 requests of order 1)\n" in attention
