"""Each fault does what it describes, only for the calls and as often as it was armed for."""

import json
import subprocess
import sys
import time

import anthropic
import httpx
import openai
import pytest

from grabient_pipeline.sandbox.discovery import FAULTS
from grabient_pipeline.sandbox.discovery import PROVIDERS as KNOWN_PROVIDERS
from grabient_pipeline.sandbox.faults.armed import ArmedFaults, UnknownFaultError
from grabient_pipeline.sandbox.faults.registry import SCOPES

PROVIDERS = ["anthropic", "openai", "groq", "google"]


def known_batches(bench, provider):
    return [batch for batch in bench.server.sandbox.store.batches() if batch.provider == provider]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", ["create_then_drop", "create_then_500"])
def test_the_batch_is_created_but_the_response_is_lost(bench, provider, fault):
    bench.arm(fault, provider, times=1)
    with pytest.raises(Exception):  # noqa: B017 - each SDK has its own
        bench.submit(provider, bench.rows_of(provider, 2))
    assert len(known_batches(bench, provider)) == 1
    bench.submit(provider, bench.rows_of(provider, 2))
    assert len(known_batches(bench, provider)) == 2


def test_a_dropped_connection_is_a_connection_error(bench):
    bench.arm("create_then_drop", "openai")
    with pytest.raises(openai.APIConnectionError):
        bench.submit("openai", bench.rows_of("openai", 1))


def test_the_response_comes_too_late(bench):
    bench.arm("create_then_timeout", "anthropic", seconds=3)
    client = bench.new_anthropic(timeout=0.3)
    with pytest.raises(anthropic.APITimeoutError):
        client.messages.batches.create(requests=bench.rows_of("anthropic", 1))
    assert len(known_batches(bench, "anthropic")) == 1


def test_retries_of_a_client_create_several_batches(bench):
    """Why creation must not be retried blindly."""
    bench.arm("create_then_500", "openai", times=2)
    content = json.dumps(bench.rows_of("openai", 1)[0]).encode()
    file = bench.openai.files.create(file=("a.jsonl", content), purpose="batch")
    retrying = bench.openai.with_options(max_retries=2)
    retrying.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert len(known_batches(bench, "openai")) == 3


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [400, 401, 403, 429])
def test_a_rejected_creation_creates_no_batch(shared, provider, status):
    before = len(known_batches(shared, provider))
    shared.arm("refuse", provider, times=1, status=status, message="on purpose")
    with pytest.raises(Exception, match="on purpose") as refused:
        shared.submit(provider, shared.rows_of(provider, 1))
    found = getattr(refused.value, "status_code", None) or refused.value.code
    assert found == status
    assert len(known_batches(shared, provider)) == before


def test_a_rejection_may_carry_a_time_to_retry(bench):
    bench.arm("refuse", "openai", status=429, retry_after=7)
    with pytest.raises(openai.RateLimitError) as refused:
        bench.submit("openai", bench.rows_of("openai", 1))
    assert refused.value.response.headers["retry-after"] == "7"


def test_an_overload_is_reported_in_anthropics_format(bench):
    bench.arm("refuse", "anthropic", status=529)
    with pytest.raises(anthropic.APIStatusError) as refused:
        bench.submit("anthropic", bench.rows_of("anthropic", 1))
    assert refused.value.body["error"]["type"] == "overloaded_error"


def test_one_provider_may_be_down_alone(bench):
    bench.arm("down", "groq")
    with pytest.raises(Exception, match="503"):
        bench.groq.batches.list()
    assert not bench.openai.batches.list().data
    httpx.delete(bench.server.url + "/_sandbox/faults")
    assert not bench.groq.batches.list().data


def test_a_hanging_provider_does_not_answer(bench):
    bench.arm("hang", "openai", seconds=5)
    client = bench.new_openai(timeout=0.2)
    started = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        client.batches.list()
    assert time.monotonic() - started < 2
    bench.arm("hang", "groq", seconds=0.1)
    with pytest.raises(Exception, match="Connection error"):
        bench.groq.batches.list()


def test_a_slow_batch_is_still_running(bench):
    bench.arm("slow_batch", "openai", seconds=600)
    batch_id = bench.submit("openai", bench.rows_of("openai", 1))
    time.sleep(0.1)
    assert bench.retrieve("openai", batch_id).status == "validating"
    bench.wait("groq", bench.submit("groq", bench.rows_of("groq", 1)))


@pytest.mark.parametrize("provider", ["openai", "groq"])
def test_an_expired_batch_keeps_its_finished_share(bench, provider):
    bench.arm("expire", provider, share=0.25)
    batch = bench.wait(provider, bench.submit(provider, bench.rows_of(provider, 40)))
    results = bench.results(provider, batch)
    assert batch.status == "expired"
    assert batch.expired_at is not None
    expired = [row for row in results.values() if row["response"] is None]
    assert len(results) == 40
    assert len(expired) == 30
    assert {row["error"]["code"] for row in expired} == {"batch_expired"}


def test_an_expired_anthropic_batch_ends_with_expired_rows(bench):
    bench.arm("expire", "anthropic", share=0.5)
    batch = bench.wait("anthropic", bench.submit("anthropic", bench.rows_of("anthropic", 10)))
    assert batch.processing_status == "ended"
    assert batch.request_counts.expired == 5


def test_an_expired_google_batch_has_no_results(bench):
    bench.arm("expire", "google")
    job = bench.wait("google", bench.submit("google", bench.rows_of("google", 4)))
    assert (job.state.name, job.dest) == ("JOB_STATE_EXPIRED", None)


def test_the_results_url_may_name_another_host(bench):
    batch_id = bench.submit("anthropic", bench.rows_of("anthropic", 1))
    bench.wait("anthropic", batch_id)
    bench.arm("foreign_results_url", host="elsewhere.invalid", times=1)
    assert bench.retrieve("anthropic", batch_id).results_url.startswith("http://elsewhere.invalid/")
    assert bench.retrieve("anthropic", batch_id).results_url.startswith(bench.server.url)


def test_results_are_served_here_although_their_url_names_another_host(bench):
    batch = bench.ended("anthropic", 3)
    bench.arm("foreign_results_url")
    assert bench.again("anthropic", batch).results_url.startswith("http://results.invalid/")
    assert len(bench.download("anthropic", batch).content.splitlines()) == 3


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_download_can_be_interrupted(bench, provider):
    batch = bench.wait(provider, bench.submit(provider, bench.rows_of(provider, 20)))
    bench.arm("cut_download", provider, times=1, bytes=500)
    with pytest.raises(Exception, match=r"closed|incomplete|Connection"):
        bench.lines(provider, batch)
    assert len(bench.lines(provider, batch)) == 20


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("fault", "lines", "distinct"),
    [("missing_rows", 7, 7), ("duplicate_rows", 13, 10), ("unknown_rows", 13, 13), ("garbage_rows", 13, None)],
)
def test_rows_can_be_missing_duplicate_unknown_or_corrupted(shared, provider, fault, lines, distinct):
    batch = shared.wait(provider, shared.submit(provider, shared.rows_of(provider, 10)))
    if provider in ("openai", "groq") and batch.error_file_id:
        lines -= 1
    shared.arm(fault, provider, times=1, count=3)
    found = shared.lines(provider, batch)
    assert abs(len(found) - lines) <= 1
    if distinct is None:
        with pytest.raises(json.JSONDecodeError):
            [json.loads(line) for line in found]
        return
    rows = [json.loads(line) for line in found]
    assert len({row.get("custom_id") or row["key"] for row in rows}) == distinct


def test_faults_can_be_armed_at_the_start(new_bench):
    bench = new_bench(batch_seconds=0, faults=[{"name": "down", "provider": "openai", "times": 1}])
    with pytest.raises(openai.InternalServerError):
        bench.openai.batches.list()
    bench.openai.batches.list()


@pytest.mark.parametrize(
    "fault",
    [
        {"name": "flood"},
        {"name": "down", "provider": "acme"},
        {"name": "hang", "minutes": 1},
        {"name": "hang", "seconds": "five"},
        {"name": "hang", "seconds": -1},
        {"name": "hang", "calls": "singing"},
        {"name": "hang", "calls": ""},
        {"name": "down", "times": 0},
        {"name": "down", "times": True},
        {"name": "down", "status": 200},
        {"name": "expire", "share": 1.5},
        {"name": "short_pages", "size": 0},
        {"name": "empty_file_ids", "value": {"id": "file-1"}},
        {"name": "skewed_clock", "seconds": "late"},
        {"name": "skewed_clock", "seconds": 1e12},
        {"name": "short_download", "whole_lines": 1},
        {"name": "foreign_download", "media_type": "html\r\nx: y"},
        {"name": "poisoned", "provider": "openai"},
        {"name": "failed_generation", "provider": "openai"},
        {"name": "fail_batch", "provider": "anthropic"},
        {},
        [],
    ],
    ids=str,
)
def test_invalid_faults_are_rejected(shared, fault):
    answer = httpx.post(shared.server.url + "/_sandbox/faults", json=fault)
    if fault == []:
        assert answer.json() == {"armed": []}
    else:
        assert answer.status_code == 400
        assert answer.json()["error"]
    assert httpx.get(shared.server.url + "/_sandbox/faults").json()["armed"] == []


def test_every_fault_is_listed_with_its_parameters(shared):
    known = httpx.get(shared.server.url + "/_sandbox/faults").json()["known"]
    assert known.keys() == FAULTS.keys()
    assert all(fault["description"] and fault["strikes"] in SCOPES for fault in known.values())
    assert {"google", "groq", "openai"} <= set(known["fail_batch"]["providers"])
    assert "anthropic" not in known["fail_batch"]["providers"]
    assert {name: tuple(fault["providers"]) for name, fault in known.items()} == {
        name: kind.providers for name, kind in FAULTS.items()
    }
    assert known["hang"]["parameters"] == {"seconds": 30.0, "calls": "every"}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_armed_with_its_defaults(name):
    faults = ArmedFaults(FAULTS, tuple(KNOWN_PROVIDERS))
    provider = FAULTS[name].providers[0]
    faults.arm(name, provider, 2, **FAULTS[name].parameters)
    assert faults.armed()[0].document()["parameters"] == FAULTS[name].parameters


def test_faults_are_consumed_in_order():
    faults = ArmedFaults(FAULTS, tuple(KNOWN_PROVIDERS))
    faults.arm("refuse", "openai", times=1)
    faults.arm("create_then_500", times=2)
    assert faults.take_first("creation", "groq").name == "create_then_500"
    assert faults.take_first("creation", "openai").name == "refuse"
    assert faults.take_first("creation", "openai").name == "create_then_500"
    assert faults.take_first("creation", "openai") is None
    with pytest.raises(UnknownFaultError):
        faults.arm("nonsense")


def test_a_fault_of_another_provider_is_not_consumed():
    faults = ArmedFaults(FAULTS, tuple(KNOWN_PROVIDERS))
    faults.arm("poisoned", times=1)
    assert faults.take("poisoned", "openai") is None
    assert faults.take("poisoned", "google") is not None


def test_the_command_line_explains_an_invalid_fault():
    command = [sys.executable, "-m", "grabient_pipeline.sandbox", "--faults", '[{"name": "flood"}]']
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert completed.returncode == 2
    assert "no fault 'flood'" in completed.stderr
    assert "Traceback" not in completed.stderr


def test_slow_calls_are_handled_all_the_same(bench):
    bench.arm("slow_calls", "openai", seconds=0.9, calls="reading")
    bench.arm("down", "openai", times=1, calls="reading")
    for expected in (503, 200):
        started = time.monotonic()
        assert bench.get("openai", "/batches").status_code == expected
        assert time.monotonic() - started > 0.9
    started = time.monotonic()
    assert bench.get("groq", "/batches").status_code == 200
    assert time.monotonic() - started < 0.9
