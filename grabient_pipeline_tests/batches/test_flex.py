"""Direct calls at the price of a batch: the tier flex is asked for, waited for, and given up only within the cap."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.providers import direct
from grabient_pipeline.providers.base import Route

FLEX = "openai/gpt-5-nano"
WITHOUT_FLEX = "openai/gpt-4o-mini"
PALETTES = 3
DIRECT = Route("openai", "direct")


@dataclass
class Notes:
    """Remembers what is said."""

    lines: list[str] = field(default_factory=list)

    def advance(self, task: str, count: int, total: int) -> None:
        del task, count, total

    def note(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def send(workbench):
    """Send everything for one model, and return the report and what was said."""

    def backfill(model: str = FLEX, **options: Any) -> tuple[Any, list[str]]:
        notes = Notes()
        request = BackfillRequest(models=[model], analysis_count=2, direct=True, **options)
        report = workbench.pipeline.backfill(request, progress=notes)
        return report, [line for line in notes.lines if "tier" in line]

    return backfill


def tiers(workbench):
    return workbench.server.sandbox.billed()["openai"]["direct_requests_by_tier"]


def parameters(workbench):
    return [json.loads(text) for (text,) in workbench.rows("SELECT parameters FROM tag_batches ORDER BY created_at")]


def estimates(workbench):
    return [usd for (usd,) in workbench.rows("SELECT estimated_cost_usd FROM tag_batches ORDER BY created_at")]


def test_a_model_with_flex_is_asked_at_that_tier(workbench, send):
    report, said = send()
    assert not report.failures
    assert said == []
    assert tiers(workbench) == {"flex": PALETTES * 2}
    assert [each["service_tier"] for each in parameters(workbench)] == ["flex"]
    workbench.settle()
    assert "in_flight" not in workbench.states()


def test_a_model_without_flex_is_asked_as_ever(workbench, send):
    send(WITHOUT_FLEX)
    assert tiers(workbench) == {"default": PALETTES * 2}
    assert "service_tier" not in parameters(workbench)[0]


def test_a_batch_asks_for_no_tier(workbench):
    workbench.backfill(FLEX, analysis_count=2)
    workbench.settle()
    assert "service_tier" not in parameters(workbench)[0]
    assert workbench.states().get("succeeded", 0) >= PALETTES * 2 - 1


@pytest.mark.parametrize(("model", "ratio"), [(FLEX, 1.0), (WITHOUT_FLEX, 2.0)])
def test_the_estimate_is_that_of_a_batch(workbench, model, ratio):
    in_batches = workbench.backfill(model, analysis_count=2, dry_run=True)
    directly = workbench.backfill(model, analysis_count=2, dry_run=True, direct=True)
    assert directly.estimated_cost_usd == pytest.approx(ratio * in_batches.estimated_cost_usd)


def test_a_lack_of_room_is_waited_for(workbench, send, monkeypatch):
    monkeypatch.setattr(direct, "_seconds_to_wait", lambda state: 0.01)
    # More often than another busy answer would be waited for.
    workbench.arm("flex_full", "openai", times=40)
    report, said = send()
    assert not report.failures
    assert said == []
    assert tiers(workbench) == {"flex": PALETTES * 2}


def test_a_lasting_lack_of_room_ends_with_a_line_and_goes_on_later(workbench, send, monkeypatch):
    monkeypatch.setattr(direct, "_FLEX_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(direct, "_seconds_to_wait", lambda state: 0.01)
    workbench.arm("flex_full", "openai")
    report, _ = send()
    assert "HTTP 429" in report.failures[DIRECT]
    assert "no room at the tier flex" in report.failures[DIRECT]
    assert tiers(workbench) == {}
    workbench.disarm()
    workbench.pipeline.collect()
    assert tiers(workbench) == {"flex": PALETTES * 2}
    assert "in_flight" not in workbench.states()


def test_the_rest_is_sent_at_full_price_if_the_tier_is_refused(workbench, send):
    estimate = workbench.backfill(FLEX, analysis_count=2, dry_run=True, direct=True).estimated_cost_usd
    workbench.arm("flex_refused", "openai")
    report, said = send()
    assert not report.failures
    (line,) = said
    assert "the service tier flex is refused for gpt-5-nano: HTTP 400" in line
    assert "the 6 requests that are left are sent at full price" in line
    assert tiers(workbench) == {"default": PALETTES * 2}
    assert estimates(workbench) == pytest.approx([2 * estimate])
    (traced,) = parameters(workbench)
    assert traced["service_tier"] == "default"
    assert "HTTP 400" in traced["flex_refused"]
    workbench.settle()
    assert set(workbench.states()) <= {"succeeded", "failed"}
    assert workbench.billed_twice()["openai"] == 0


def test_full_price_counts_against_the_cap_of_the_order(workbench, send):
    estimate = workbench.backfill(FLEX, analysis_count=2, dry_run=True, direct=True).estimated_cost_usd
    workbench.arm("flex_refused", "openai")
    report, said = send(max_cost_usd=estimate * 1.5)
    assert said == []
    reason = report.failures[DIRECT]
    assert "the service tier flex is refused" in reason
    assert "grabient resume --order 1 --max-cost USD raises it" in reason
    assert tiers(workbench) == {}
    assert estimates(workbench) == pytest.approx([estimate])

    again = workbench.pipeline.collect()
    assert "cap of order 1" in again.failures["openai (direct)"]
    assert tiers(workbench) == {}

    workbench.pipeline.change_cap(1, estimate * 2.1)
    workbench.pipeline.collect()
    assert tiers(workbench) == {"default": PALETTES * 2}
    assert estimates(workbench) == pytest.approx([2 * estimate])


def test_what_was_answered_before_the_refusal_is_kept_and_not_estimated_again(workbench, send, monkeypatch):
    estimate = workbench.backfill(FLEX, analysis_count=2, dry_run=True, direct=True).estimated_cost_usd
    # One call at a time.
    monkeypatch.setattr(direct.DirectCalls.__init__, "__defaults__", (1,))
    original = direct._BatchRun._send_once
    sent = []

    def refuse_after_four(self, model, custom_id, request):
        sent.append(custom_id)
        if len(sent) == 5:
            workbench.arm("flex_refused", "openai")
        return original(self, model, custom_id, request)

    monkeypatch.setattr(direct._BatchRun, "_send_once", refuse_after_four)
    send(max_cost_usd=estimate * 1.4)
    assert tiers(workbench) == {"default": 2, "flex": 4}
    # Two of six requests cost twice as much.
    assert estimates(workbench) == pytest.approx([estimate * 4 / 3])


def test_a_batch_that_waits_for_its_cap_does_not_keep_others_from_going_on(workbench, send):
    estimate = workbench.backfill(FLEX, analysis_count=2, dry_run=True, direct=True).estimated_cost_usd
    workbench.arm("flex_refused", "openai")
    send(max_cost_usd=estimate)
    send(WITHOUT_FLEX)
    assert tiers(workbench) == {"default": PALETTES * 2}


def test_the_batch_can_be_cancelled_instead(workbench, send):
    estimate = workbench.backfill(FLEX, analysis_count=2, dry_run=True, direct=True).estimated_cost_usd
    workbench.arm("flex_refused", "openai")
    send(max_cost_usd=estimate)
    workbench.pipeline.cancel()
    workbench.pipeline.collect()
    assert workbench.states() == {"released": PALETTES * 2}
    assert tiers(workbench) == {}


def test_a_cancellation_ends_the_wait_for_room(workbench, send, monkeypatch):
    monkeypatch.setattr(direct, "_FLEX_PATIENCE_SECONDS", 0.05)
    workbench.arm("flex_full", "openai")
    send()
    workbench.pipeline.cancel()
    monkeypatch.setattr(direct, "_FLEX_PATIENCE_SECONDS", 900.0)
    started = time.monotonic()
    workbench.pipeline.collect()
    assert time.monotonic() - started < 20
    assert workbench.states() == {"released": PALETTES * 2}


_BACKFILL = """
import os, sys
from pathlib import Path
from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
pipeline = Pipeline(Settings(Path(sys.argv[1]), sandbox=True), os.environ)
pipeline.backfill(BackfillRequest(models=[sys.argv[2]], analysis_count=8, direct=True))
"""


def test_a_kill_between_the_fallback_and_the_end_pays_nothing_twice(workbench, run_python):
    estimate = workbench.backfill(FLEX, analysis_count=8, dry_run=True, direct=True).estimated_cost_usd
    workbench.arm("flex_refused", "openai")
    workbench.arm("slow_answers", "openai", seconds=0.2, calls="asking")
    process = run_python(
        _BACKFILL, workbench.settings.data_dir, FLEX, environment={**workbench.environment, "PATH": ""}
    )
    deadline = time.monotonic() + 30
    while tiers(workbench).get("default", 0) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    workbench.disarm()
    workbench.arm("flex_refused", "openai")
    workbench.pipeline.collect()
    bill = workbench.server.sandbox.billed()["openai"]
    assert bill["custom_ids_billed_more_than_once"] == 0
    assert workbench.findings().get("missing", 0) <= 4
    assert "in_flight" not in workbench.states()
    # Raised once, although the tier was refused again after the kill.
    assert estimates(workbench) == pytest.approx([2 * estimate])
