"""Full queues, in the words of each provider and through the real SDKs."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline_tests.sandbox.conftest import USUAL_MODELS, Bench

LIMITED = {"openai": "tokens", "groq": "tokens", "google": "tokens", "anthropic": "requests"}
ANSWERED_WITH_429 = ["anthropic", "google"]
FAIL_AT_ONCE = ["openai", "groq"]
EVERY = [*ANSWERED_WITH_429, *FAIL_AT_ONCE]


@pytest.fixture
def slow():
    """A bench whose batches do not end by themselves."""
    with SandboxServer(batch_seconds=3600) as server:
        yield Bench(server)


def change(bench, path, *documents, status=200):
    answer = httpx.post(f"{bench.server.url}/_sandbox/{path}", json=list(documents))
    assert answer.status_code == status, answer.text
    return answer.json()


def waiting(bench, provider, model=None):
    return bench.report("queues")[provider][model or USUAL_MODELS[provider]]


def submit(bench, provider, count=4, **options):
    return bench.submit(provider, bench.rows_of(provider, count, **options), options.get("model"))


def limit_to_one(bench, provider, count=4):
    """Limit a queue so that one batch of this size fits and two do not; return the limit."""
    submit(bench, provider, count)
    size = waiting(bench, provider)["waiting"][LIMITED[provider]]
    bench.end_batches()
    limit = size * 3 // 2
    change(bench, "limits", {"provider": provider, LIMITED[provider]: limit})
    return limit


def is_full(bench, provider, **options):
    """Submit a batch and return whether it met a full queue."""
    try:
        batch = bench.retrieve(provider, submit(bench, provider, **options))
    except Exception as error:
        assert bench.status_of(error) == 429
        return True
    return bench.state(provider, batch) == "failed"


@pytest.mark.parametrize("provider", EVERY)
class TestRoom:
    def test_nothing_is_limited_by_default(self, slow, provider):
        assert [is_full(slow, provider) for _ in range(20)] == [False] * 20
        assert waiting(slow, provider)["most_waiting"]["jobs"] == 20

    def test_a_batch_that_does_not_fit(self, slow, provider):
        limit_to_one(slow, provider)
        assert [is_full(slow, provider) for _ in range(3)] == [False, True, True]
        assert waiting(slow, provider)["met_full_queue"] == 2
        assert waiting(slow, provider)["waiting"]["jobs"] == 1

    def test_a_batch_that_ended_makes_room(self, slow, provider):
        limit_to_one(slow, provider)
        assert not is_full(slow, provider)
        slow.end_batches()
        assert not is_full(slow, provider)

    def test_a_batch_that_is_being_cancelled_occupies_its_room_until_it_ends(self, slow, provider):
        limit_to_one(slow, provider)
        batch = submit(slow, provider)
        slow.arm("stuck_cancelling", provider)
        slow.cancel(provider, batch)
        assert is_full(slow, provider)
        slow.end_batches()
        assert not is_full(slow, provider)

    def test_others_use_a_part(self, slow, provider):
        limit_to_one(slow, provider)
        change(slow, "occupied", {"provider": provider, "fraction": 0.5})
        assert is_full(slow, provider)
        change(slow, "occupied", {"provider": provider, "fraction": 0.1})
        assert not is_full(slow, provider)
        slow.end_batches()
        change(slow, "occupied", {"provider": provider, LIMITED[provider]: 10**9})
        assert is_full(slow, provider)
        httpx.delete(f"{slow.server.url}/_sandbox/occupied")
        assert not is_full(slow, provider)

    def test_others_use_a_part_of_one_model_only(self, slow, provider):
        limit_to_one(slow, provider)
        change(slow, "occupied", {"provider": provider, "model": "another", "fraction": 1.0})
        assert not is_full(slow, provider)

    def test_lifting_the_limits(self, slow, provider):
        limit_to_one(slow, provider)
        httpx.delete(f"{slow.server.url}/_sandbox/limits")
        assert [is_full(slow, provider) for _ in range(3)] == [False] * 3

    def test_accounts_have_queues_of_their_own(self, slow, provider):
        limit_to_one(slow, provider)
        assert not is_full(slow, provider)
        another = Bench(slow.server)
        setattr(another, provider, getattr(another, f"new_{provider}")(api_key="sandbox-another"))
        assert not is_full(another, provider)
        assert is_full(another, provider)

    def test_forgetting_everything_forgets_limits_as_well(self, slow, provider):
        limit_to_one(slow, provider)
        change(slow, "occupied", {"provider": provider, "fraction": 1.0})
        httpx.delete(f"{slow.server.url}/_sandbox/batches")
        assert slow.report("queues")[provider] == {}
        assert slow.report("occupied") == {"occupied": []}
        assert [is_full(slow, provider) for _ in range(3)] == [False] * 3


@pytest.mark.parametrize("provider", FAIL_AT_ONCE)
class TestFailingAtOnce:
    def test_words(self, slow, provider):
        limit = limit_to_one(slow, provider)
        billed = slow.report("billed")[provider]["requests"]
        submit(slow, provider)
        batch = slow.retrieve(provider, submit(slow, provider))
        assert batch.status == "failed"
        assert batch.failed_at is not None
        (problem,) = batch.errors.data
        assert problem.code == "token_limit_exceeded"
        assert re.fullmatch(
            rf"Enqueued token limit reached for {USUAL_MODELS[provider]} in organization org-\w+\. "
            rf"Limit: {limit:,} enqueued tokens\. "
            r"Please try again once some in_progress batches have been completed\.",
            problem.message,
        )
        assert slow.report("billed")[provider]["requests"] == billed

    def test_the_creation_is_accepted(self, slow, provider):
        change(slow, "limits", {"provider": provider, "tokens": 1})
        rows = slow.rows_of(provider, 2)
        content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        client = getattr(slow, provider)
        file = client.files.create(file=("a.jsonl", content, "application/jsonl"), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        assert batch.status == "validating"

    def test_requests_are_limited_as_well(self, slow, provider):
        change(slow, "limits", {"provider": provider, "requests": 1500})
        batch = slow.retrieve(provider, submit(slow, provider, 1501))
        assert batch.errors.data[0].code == "request_limit_exceeded"
        assert "Limit: 1,500 enqueued requests." in batch.errors.data[0].message

    def test_models_have_queues_of_their_own(self, slow, provider):
        limit_to_one(slow, provider)
        other = {"openai": "gpt-5-nano", "groq": "openai/gpt-oss-20b"}[provider]
        assert not is_full(slow, provider)
        assert not is_full(slow, provider, model=other)
        assert is_full(slow, provider)

    def test_a_model_can_have_a_limit_of_its_own(self, slow, provider):
        model = USUAL_MODELS[provider]
        change(
            slow,
            "limits",
            {"provider": provider, "tokens": 1},
            {"provider": provider, "model": model, "tokens": 1_000_000},
        )
        assert not is_full(slow, provider)


def test_groq_can_limit_batches(slow):
    change(slow, "limits", {"provider": "groq", "jobs": 1})
    submit(slow, "groq")
    batch = slow.retrieve("groq", submit(slow, "groq"))
    assert "Limit: 1 concurrent batches." in batch.errors.data[0].message


class TestAnthropic:
    def test_words(self, slow):
        change(slow, "limits", {"provider": "anthropic", "requests": 1234})
        with pytest.raises(Exception, match="rate limit for your organization") as caught:
            submit(slow, "anthropic", 1235)
        assert slow.status_of(caught.value) == 429
        assert caught.value.body["error"]["type"] == "rate_limit_error"
        assert "of 1,234 batch requests in the processing queue" in caught.value.body["error"]["message"]
        assert caught.value.response.headers["retry-after"] == "60"
        assert slow.report("batches")["batches"] == []

    def test_another_time_to_retry(self, slow):
        change(slow, "limits", {"provider": "anthropic", "requests": 1, "retry_after": None})
        with pytest.raises(Exception, match="rate limit") as caught:
            submit(slow, "anthropic")
        assert "retry-after" not in caught.value.response.headers

    def test_models_share_a_queue(self, slow):
        limit_to_one(slow, "anthropic")
        assert not is_full(slow, "anthropic")
        assert is_full(slow, "anthropic", model="claude-haiku-4-5-20251001")


class TestGoogle:
    def test_words(self, slow):
        limit_to_one(slow, "google")
        submit(slow, "google")
        with pytest.raises(Exception, match="You exceeded your current quota") as caught:
            submit(slow, "google")
        assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
        assert "RetryInfo" not in str(caught.value.details)

    def test_jobs_of_all_models_count(self, slow):
        change(slow, "limits", {"provider": "google", "jobs": 1})
        assert not is_full(slow, "google")
        assert is_full(slow, "google", model="gemini-2.5-flash-lite")

    def test_a_time_to_retry(self, slow):
        change(slow, "limits", {"provider": "google", "jobs": 0, "retry_after": 7})
        with pytest.raises(Exception, match="Please retry in 7s"):
            submit(slow, "google")


class TestTiers:
    def test_of_all_providers(self):
        with SandboxServer(batch_seconds=3600, limits={"tier": 1}) as server:
            bench = Bench(server)
            limits = bench.report("limits")
            assert limits["openai"]["tokens"] == {"": 2_000_000}
            assert limits["anthropic"]["requests"] == 200_000
            assert limits["google"]["jobs"] == 100
            assert limits["google"]["tokens"]["gemini-2.5-flash-lite"] == 10_000_000
            # 1,456 requests of the usual size fit, 5,000 do not.
            assert not is_full(bench, "openai", count=1456)
            assert is_full(bench, "openai", count=5000, system="Tag palettes for search. " * 200)

    def test_above_the_highest_of_a_provider(self, slow):
        change(slow, "limits", {"tier": 4})
        limits = slow.report("limits")
        assert limits["openai"]["tokens"] == {"": 1_000_000_000}
        assert limits["anthropic"]["requests"] == 500_000

    def test_of_one_provider_in_a_process(self):
        limits = [{"provider": "openai", "tier": 3}]
        with SandboxServer(where="process", limits=limits) as server:
            bench = Bench(server)
            assert bench.report("limits")["openai"]["tokens"] == {"": 40_000_000}
            assert bench.report("limits")["google"]["tokens"] == {}

    def test_the_output_limit_counts_on_request(self, slow):
        submit(slow, "openai", 2, max_tokens=5000)
        before = waiting(slow, "openai")["waiting"]["tokens"]
        slow.end_batches()
        change(slow, "limits", {"provider": "openai", "counts_output": True})
        submit(slow, "openai", 2, max_tokens=5000)
        assert waiting(slow, "openai")["waiting"]["tokens"] == before + 10_000


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"provider": "acme", "tokens": 1}, "no provider 'acme'"),
        ({"provider": "openai", "tier": 9}, "openai has no tier 9; there are 1, 2, 3, 4, 5"),
        ({"tier": 0}, "has no tier 0"),
        ({"provider": "anthropic", "tokens": 1}, "anthropic has no limit of tokens; it has those of requests"),
        ({"provider": "openai", "model": "x", "tier": 1}, "a tier is of all models"),
        ({"token": 1}, "unknown name 'token'"),
        ({}, "unknown name"),
        ({"tokens": -1}, "tokens cannot be -1"),
        ({"tokens": True}, "tokens cannot be True"),
        ({"tokens": "many"}, "tokens cannot be 'many'"),
        ({"jobs": 1.5}, "jobs cannot be 1.5"),
    ],
)
def test_invalid_limits_change_nothing(bench, document, reason):
    before = bench.report("limits")
    assert reason in change(bench, "limits", {"tier": 1}, document, status=400)["error"]
    assert bench.report("limits") == before


def test_invalid_occupations(bench):
    assert "fraction" in change(bench, "occupied", {"fraction": None}, status=400)["error"]
    assert bench.report("occupied") == {"occupied": []}


def test_waiting_batches_survive_a_restart(tmp_path):
    for expected in (False, True):
        with SandboxServer(state=tmp_path, batch_seconds=3600, limits={"tokens": 2500}) as server:
            assert is_full(Bench(server), "openai", count=5) is expected
