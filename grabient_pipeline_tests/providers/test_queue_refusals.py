"""Refusals for want of room in a queue are recognised in the words of every provider, and nothing else is."""

from __future__ import annotations

import httpx
import pytest

from grabient_pipeline.errors import ProviderBusy, ProviderRefused, ProviderUncertain
from grabient_pipeline.providers.queue_refusals import QueueRefusal, queue_refusal
from grabient_pipeline_tests.catalogue import MODELS

OPENAI = (
    "token_limit_exceeded: Enqueued token limit reached for gpt-4o-mini in organization org-aBcDeF123456. "
    "Limit: 2,000,000 enqueued tokens. Please try again once some in_progress batches have been completed."
)
OPENAI_REQUESTS = (
    "request_limit_exceeded: Enqueued request limit reached for text-embedding-3-small in organization org-X. "
    "Limit: 1,000,000 enqueued requests. Please try again once some in_progress batches have been completed."
)
ANTHROPIC = (
    "creating the batch failed: HTTP 429: This request would exceed the rate limit for your organization "
    "(7f54fbff-3504-477a-b4a2-08359988239d) of 100,000 batch requests in the processing queue. For details, refer to: "
    "https://platform.claude.com/docs/en/api/rate-limits."
)
GOOGLE = (
    "creating the batch failed: HTTP 429: You exceeded your current quota, please check your plan and billing details. "
    "For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your "
    "current usage, head to: https://ai.dev/rate-limit."
)


@pytest.mark.parametrize(
    ("error", "kind", "limit"),
    [
        (OPENAI, "tokens", 2_000_000),
        (OPENAI_REQUESTS, "requests", 1_000_000),
        (OPENAI.replace("2,000,000", "90,000"), "tokens", 90_000),
        # As OpenAI answers a creation, without a code.
        ("Enqueued token limit reached for gpt-5-mini. Limit: 5,000,000 enqueued tokens.", "tokens", 5_000_000),
        # Groq's errors have the form of OpenAI's.
        (OPENAI.replace("gpt-4o-mini", "openai/gpt-oss-120b"), "tokens", 2_000_000),
        ("batch_limit_exceeded: Concurrent batch limit reached. Limit: 20 concurrent batches.", "jobs", 20),
        (ANTHROPIC, "requests", 100_000),
        (GOOGLE, "tokens", None),
        ("8: Resource has been exhausted (e.g. check quota).", "tokens", None),
        ("3: Enqueued token limit reached.", "tokens", None),
        ("Too many concurrent jobs", "jobs", None),
        ("TOKEN_LIMIT_EXCEEDED: ENQUEUED TOKEN LIMIT REACHED. LIMIT: 2,000,000 ENQUEUED TOKENS.", "tokens", 2_000_000),
        # An account without a queue.
        ("token_limit_exceeded: Enqueued token limit reached. Limit: 0 enqueued tokens.", "tokens", 0),
        ("token_limit_exceeded", "tokens", None),
        ("token_limit_exceeded: ", "tokens", None),
        ("x_token_limit_exceeded: limit 5", "tokens", 5),
    ],
)
def test_words(error, kind, limit):
    assert queue_refusal(error) == QueueRefusal(kind, limit)


@pytest.mark.parametrize(
    ("number", "limit"),
    [
        ("2,000,000", 2_000_000),
        ("2000000", 2_000_000),
        ("2.000.000", 2_000_000),
        ("2 000 000", 2_000_000),
        ("2\u202f000\u202f000", 2_000_000),
        ("2'000'000", 2_000_000),
        ("2_000_000", 2_000_000),
        ("2M", 2_000_000),
        ("2 M", 2_000_000),
        ("2 million", 2_000_000),
        ("1.5M", 1_500_000),
        ("1,5M", 1_500_000),
        ("90k", 90_000),
        ("1B", 1_000_000_000),
        ("15 billion", 15_000_000_000),
        ("7", 7),
        ("9" * 18, None),
        ("9" * 5000, None),
        ("9" * 5000 + "M", None),
        ("many", None),
        ("", None),
        ("-5", None),
        ("2,00,000", None),
        ("1.2.3M", None),
        ("NaN", None),
        ("٢٠٠٠", 2000),
    ],
)
def test_numbers(number, limit):
    for words in ("Limit: {} enqueued tokens.", "Limit {} tokens. Enqueued too much.", "enqueued; limit is {}."):
        assert queue_refusal(f"token_limit_exceeded: {words.format(number)}") == QueueRefusal("tokens", limit), words


@pytest.mark.parametrize(
    "error",
    [
        None,
        "",
        "rate_limit_exceeded: Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): "
        "Limit 30000, Used 29937, Requested 385. Please try again in 644ms.",
        "This request would exceed the rate limit for your organization (1) of 40,000 input tokens per minute.",
        # Of OpenAI, about money.
        "insufficient_quota: You exceeded your current quota, please check your plan and billing details. For more "
        "information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "billing_hard_limit_reached: Billing hard limit has been reached.",
        "too_many_tasks: The batch has too many requests. The maximum number of requests is 50000.",
        "duplicate_custom_id: limit: 5",
        "13: Internal error.",
        "18: nothing of Google's",
        "HTTP 529: Overloaded",
    ],
)
def test_other_errors(error):
    assert queue_refusal(error) is None


def test_long_and_hostile_texts_are_read_in_no_time():
    for text in ("8: " + "1,000" * 50_000, "enqueued " * 50_000, "limit: " * 50_000 + "enqueued", "1 " * 100_000):
        queue_refusal(text)


def test_only_an_answer_of_429_counts():
    message = GOOGLE.partition(": ")[2]
    assert queue_refusal(ProviderBusy("google", message, 429)) == QueueRefusal("tokens")
    assert queue_refusal(ProviderRefused("google", message, 400)) is None
    assert queue_refusal(ProviderUncertain("google", message)) is None


@pytest.mark.parametrize("key", ["anthropic", "google", "openai", "groq"])
def test_through_the_pipeline(workbench, key):
    """What the sandbox says is recognised where the pipeline has it, shortened and with its own words around it."""
    kind = "requests" if key == "anthropic" else "tokens"
    answer = httpx.post(f"{workbench.server.url}/_sandbox/limits", json={"provider": key, kind: 2})
    answer.raise_for_status()
    report = workbench.backfill(MODELS[key], analysis_count=1)
    if key in ("openai", "groq"):
        workbench.wait()
        workbench.pipeline.poll()
        ((error,),) = workbench.rows("SELECT error FROM tag_batches")
    else:
        # An event, and no failure.
        assert report.failures == {}
        (error,) = [batch.error for batch in report.batches]
    assert queue_refusal(error) == QueueRefusal(kind, None if key == "google" else 2)
