"""Batches that stay in cancelling or finalizing until somebody ends them at the provider."""

import time

import pytest

from grabient_pipeline.sandbox.batch import Phase

PROVIDERS = ["anthropic", "openai", "groq", "google"]
FILES = ["openai", "groq"]
CANCELLING = {
    "anthropic": "canceling",
    "openai": "cancelling",
    "groq": "cancelling",
    "google": "JOB_STATE_RUNNING",
}


def phase_in_a_year(bench):
    """Return the later state of the only batch, once its results are written."""
    (batch,) = bench.server.sandbox.store.batches()
    deadline = time.monotonic() + 5
    while batch.outcome is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return batch.phase(time.time() + 365 * 86_400)


def submit_slow(bench, provider):
    bench.arm("slow_batch", provider, times=1)
    return bench.submit(provider, bench.rows_of(provider, 4))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_can_stay_in_cancelling(bench, provider):
    batch_id = submit_slow(bench, provider)
    bench.arm("stuck_cancelling", provider, times=1)
    bench.cancel(provider, batch_id)
    assert phase_in_a_year(bench) is Phase.CANCELLING
    assert bench.state(provider, bench.retrieve(provider, batch_id)) == CANCELLING[provider]
    with pytest.raises(Exception, match="cancel") as refused:
        bench.cancel(provider, batch_id)
    assert bench.status_of(refused.value) == (409 if provider in FILES else 400)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_that_is_stuck_in_cancelling_can_be_ended(bench, provider):
    batch_id = submit_slow(bench, provider)
    bench.arm("cancel_keeps", provider, share=0.5)
    bench.arm("stuck_cancelling", provider, times=1)
    bench.cancel(provider, batch_id)
    assert bench.report("billed")[provider]["requests"] == 0
    ended_from = time.time()
    assert bench.end_batches() == [batch_id.removeprefix("batches/")]
    assert ended_from <= bench.server.sandbox.store.batches()[0].ended_at <= time.time()
    batch = bench.retrieve(provider, batch_id)
    assert bench.state(provider, batch) in ("ended", "cancelled", "JOB_STATE_CANCELLED")
    # Google hands out and bills nothing of a batch that was cancelled.
    assert len(bench.lines(provider, batch)) == (0 if provider == "google" else 4)
    assert bench.report("billed")[provider]["requests"] == (0 if provider == "google" else 2)


@pytest.mark.parametrize("provider", FILES)
def test_a_batch_can_stay_in_finalizing(bench, provider):
    bench.arm("stuck_finalizing", provider, times=1)
    batch_id = bench.submit(provider, bench.rows_of(provider, 4))
    assert phase_in_a_year(bench) is Phase.FINALIZING
    with pytest.raises(Exception, match="finalizing") as refused:
        bench.cancel(provider, batch_id)
    assert bench.status_of(refused.value) == 409
    assert bench.retrieve(provider, batch_id).status == "finalizing"
    assert [file["purpose"] for file in bench.report("files")["files"]] == ["batch"]
    assert bench.report("billed")[provider]["requests"] == 0
    bench.end_batches()
    batch = bench.retrieve(provider, batch_id)
    assert (batch.status, len(bench.results(provider, batch))) == ("completed", 4)


def test_a_batch_that_is_not_finalizing_yet_can_be_cancelled(bench):
    bench.arm("stuck_finalizing", "openai", times=1)
    batch_id = submit_slow(bench, "openai")
    bench.cancel("openai", batch_id)
    assert phase_in_a_year(bench) is Phase.CANCELLED


def test_a_batch_stays_stuck_after_a_restart(new_bench, tmp_path):
    first = new_bench(batch_seconds=0, state=tmp_path, faults=[{"name": "stuck_finalizing"}])
    batch_id = first.submit("groq", first.rows_of("groq", 4))
    assert phase_in_a_year(first) is Phase.FINALIZING
    first.server.stop()
    second = new_bench(batch_seconds=0, state=tmp_path)
    assert second.retrieve("groq", batch_id).status == "finalizing"
    assert second.end_batches() == [batch_id]
