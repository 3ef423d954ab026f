"""Direct calls, for accounts without batch access: through the same ledger, at the full price, never twice."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

import pytest

from grabient_pipeline.batches.direct_calls import stalled_direct_batches
from grabient_pipeline.batches.orders import BackfillRequest, RefinementRequest
from grabient_pipeline.errors import UnknownModelError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.base import Route
from grabient_pipeline_tests.catalogue import MODELS

PALETTES = 3
each_provider = pytest.mark.parametrize("key", MODELS)


def billed(workbench, key):
    return workbench.server.sandbox.billed()[key]


@each_provider
def test_direct_calls_are_made_collected_and_parsed(workbench, key):
    report = workbench.backfill(MODELS[key], analysis_count=2, direct=True)
    assert not report.failures
    (batch,) = report.batches
    assert batch.batch_id == f"direct-{batch.submission}"
    assert not workbench.provider_batches()
    assert billed(workbench, key)["direct_requests"] == PALETTES * 2

    workbench.pipeline.poll()
    workbench.pipeline.collect()
    workbench.pipeline.parse_answers()
    assert sum(workbench.states().values()) == PALETTES * 2
    assert workbench.states().get("succeeded", 0) >= PALETTES * 2 - 1
    assert workbench.rows("SELECT DISTINCT access, status FROM tag_batches") == [("direct", "completed")]
    assert workbench.pipeline.status().paid_and_not_kept == 0
    assert not list(workbench.settings.direct_dir.iterdir()), "collected responses are deleted"
    again = workbench.backfill(MODELS[key], analysis_count=2, direct=True)
    assert again.request_count == workbench.states().get("failed", 0)


@each_provider
def test_the_estimate_of_direct_calls_is_twice_that_of_a_batch(workbench, key):
    in_batches = workbench.backfill(MODELS[key], analysis_count=1, dry_run=True)
    directly = workbench.backfill(MODELS[key], analysis_count=1, dry_run=True, direct=True)
    assert directly.estimated_cost_usd == pytest.approx(2 * in_batches.estimated_cost_usd)
    assert billed(workbench, key)["direct_requests"] == 0


def test_requests_answered_directly_are_not_submitted_in_a_batch(workbench):
    workbench.backfill(MODELS["openai"], analysis_count=1, direct=True)
    workbench.pipeline.poll()
    workbench.pipeline.collect()
    failed = workbench.states().get("failed", 0)
    assert workbench.backfill(MODELS["openai"], analysis_count=1).request_count == failed


@pytest.mark.parametrize("name", ["groq", "groq/openai/gpt-oss-20b"])
def test_a_provider_or_a_model_can_be_set_to_direct(workbench, name):
    pipeline = Pipeline(replace(workbench.settings, direct=frozenset({name})), workbench.environment)
    models = (MODELS["groq"], MODELS["openai"])
    report = pipeline.backfill(BackfillRequest(models=models, analysis_count=1))
    assert {batch.model.provider: batch.route.access for batch in report.batches} == {
        "groq": "direct",
        "openai": "batch",
    }


def test_an_unknown_name_is_rejected(workbench):
    pipeline = Pipeline(replace(workbench.settings, direct=frozenset({"grok"})), workbench.environment)
    with pytest.raises(UnknownModelError, match="no model 'grok'"):
        pipeline.backfill(BackfillRequest(models=[MODELS["groq"]], analysis_count=1))


def test_direct_calls_work_without_batch_access(workbench):
    workbench.arm("no_batch_access", "groq")
    refused = workbench.backfill(MODELS["groq"], analysis_count=1)
    assert Route("groq") in refused.failures
    assert workbench.states() == {"released": PALETTES}
    assert not workbench.backfill(MODELS["groq"], analysis_count=1, direct=True).failures
    assert billed(workbench, "groq")["direct_requests"] == PALETTES


@each_provider
def test_rate_limits_are_waited_out(workbench, key):
    workbench.arm("rate_limited", key, times=3, retry_after=0.05, calls="asking")
    assert not workbench.backfill(MODELS[key], analysis_count=2, direct=True).failures
    assert billed(workbench, key)["direct_requests"] == PALETTES * 2


def test_calls_stop_at_a_rejected_key_and_resume_with_a_valid_one(workbench, monkeypatch):
    environment = {**workbench.environment, "OPENAI_API_KEY": "wrong"}
    pipeline = Pipeline(workbench.settings, environment)
    report = pipeline.backfill(BackfillRequest(models=[MODELS["openai"]], analysis_count=2, direct=True))
    assert "HTTP 401" in report.failures[Route("openai", "direct")]
    assert "wrong" not in report.failures[Route("openai", "direct")]
    # A valid key resumes them.
    workbench.pipeline.collect()
    assert sum(workbench.states().values()) == PALETTES * 2
    assert "in_flight" not in workbench.states()
    assert billed(workbench, "openai")["direct_requests"] == PALETTES * 2


@each_provider
def test_a_call_that_was_not_answered_is_not_repeated(workbench, key):
    """It may have been billed, and a direct call cannot be looked up."""
    workbench.arm("answer_then_drop", key, times=1)
    workbench.backfill(MODELS[key], analysis_count=1, direct=True)
    assert billed(workbench, key)["direct_requests"] == PALETTES
    workbench.pipeline.poll()
    workbench.pipeline.collect()
    assert workbench.findings() == {"missing": 1}
    assert workbench.pipeline.status().paid_and_not_kept == 1
    assert billed(workbench, key)["custom_ids_billed_more_than_once"] == 0


def test_a_failed_request_does_not_affect_the_others(workbench):
    workbench.arm("down", "openai", times=1, status=500, calls="asking")
    workbench.backfill(MODELS["openai"], analysis_count=1, direct=True)
    workbench.pipeline.poll()
    workbench.pipeline.collect()
    assert workbench.rows("SELECT count(*) FROM tag_responses WHERE outcome = 'errored'")[0][0] >= 1
    assert sum(workbench.states().values()) == PALETTES


_BACKFILL = """
import os, sys
from pathlib import Path
from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
pipeline = Pipeline(Settings(Path(sys.argv[1]), sandbox=True), os.environ)
print("ready", flush=True)
pipeline.backfill(BackfillRequest(models=[sys.argv[2]], analysis_count=8, direct=True))
"""


def test_the_calls_of_a_killed_process_are_finished_by_the_next(workbench, run_python):
    workbench.arm("slow_answers", "openai", seconds=0.2, calls="asking")
    process = run_python(
        _BACKFILL, workbench.settings.data_dir, MODELS["openai"], environment={**workbench.environment, "PATH": ""}
    )
    deadline = time.monotonic() + 30
    while billed(workbench, "openai")["direct_requests"] < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    workbench.disarm()
    assert stalled_direct_batches(workbench.pipeline.workspace)

    workbench.pipeline.collect()
    bill = billed(workbench, "openai")
    assert bill["custom_ids_billed_more_than_once"] == 0
    assert bill["direct_requests"] <= PALETTES * 8
    states = workbench.states()
    assert sum(states.values()) == PALETTES * 8
    assert "in_flight" not in states
    # Only the calls that ran at the same time can have lost their responses.
    missing = workbench.findings().get("missing", 0)
    assert missing <= 4
    assert bill["direct_requests"] >= PALETTES * 8 - missing


def test_direct_calls_can_be_cancelled(workbench):
    refused = Pipeline(workbench.settings, {**workbench.environment, "OPENAI_API_KEY": "wrong"})
    refused.backfill(BackfillRequest(models=[MODELS["openai"]], analysis_count=1, direct=True))
    (outcome,) = workbench.pipeline.cancel()
    assert outcome.state is not None
    assert outcome.state.status == "cancelled"
    workbench.pipeline.collect()
    assert workbench.states() == {"released": PALETTES}
    assert billed(workbench, "openai")["direct_requests"] == 0


def test_refinement_can_be_direct(workbench):
    workbench.backfill(MODELS["openai"], analysis_count=1)
    workbench.settle()
    workbench.pipeline.count_consensus()
    report = workbench.pipeline.refine(RefinementRequest(direct=True))
    assert report.batches.batches[0].route == Route("anthropic", "direct")
    workbench.pipeline.collect()
    workbench.pipeline.refine_answers()
    assert workbench.pipeline.status().refined >= PALETTES - 1
