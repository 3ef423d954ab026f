"""Direct calls through the real SDKs: answered and billed at once, and validated like the rows of a batch."""

import json
import threading
import time

import anthropic
import groq
import httpx
import openai
import pytest
from google.genai import errors

PROVIDERS = ["anthropic", "openai", "groq", "google"]
HEADER = "x-grabient-custom-id"


def status_of(error):
    return getattr(error, "status_code", None) or error.code


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_model_responds_with_tags(bench, provider):
    responses = [json.loads(text) for text in json_responses(bench, provider, 5)]
    assert responses
    for tags in responses:
        assert {"mood", "harmony", "temperature", "associations"} <= tags.keys()


def json_responses(bench, provider, count):
    """Yield the responses that are plain JSON; some are fenced or defective, as in batches."""
    for number in range(count):
        text = bench.call(provider, f"call-{number}")
        if text.startswith("{"):
            yield text


@pytest.mark.parametrize("provider", PROVIDERS)
def test_repeated_calls_get_different_responses(bench, provider):
    assert len({bench.call(provider) for _ in range(6)}) > 3


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_same_calls_get_the_same_responses_after_a_reset(bench, provider):
    first = [bench.call(provider) for _ in range(3)]
    bench.server.sandbox.forget()
    assert [bench.call(provider) for _ in range(3)] == first


def test_the_format_of_the_responses(bench, tools):
    """Fields that only direct calls have; the rest is the same as in batches."""
    message = bench.anthropic.messages.create(
        model="claude-haiku-4-5-20251001", max_tokens=900, messages=[{"role": "user", "content": tools.user_text()}]
    )
    assert message.usage.service_tier == "standard"
    assert message._request_id.startswith("req_")
    messages = [{"role": "user", "content": tools.user_text()}]
    completion = bench.openai.chat.completions.create(model="gpt-4o-mini", messages=messages)
    assert completion.model == "gpt-4o-mini-2024-07-18"
    assert abs(completion.created - time.time()) < 60
    assert completion._request_id.startswith("req_")
    completion = bench.groq.chat.completions.create(model="openai/gpt-oss-120b", messages=messages)
    assert completion.x_groq.id.startswith("req_")
    assert completion.usage.completion_tokens_details.reasoning_tokens > 0
    response = bench.google.models.generate_content(model="gemini-2.5-flash-lite", contents=tools.user_text())
    assert response.usage_metadata.prompt_token_count > 0
    assert response.model_version == "gemini-2.5-flash-lite"


# The SDK warns that the refining model ends in January 2027.
@pytest.mark.filterwarnings("ignore:The model 'claude-opus-4-5-20251101' is deprecated:DeprecationWarning")
def test_structured_output_is_supported(bench, tools):
    text = bench.call(
        "anthropic",
        model="claude-opus-4-5-20251101",
        output_config={"format": {"type": "json_schema", "schema": tools.schema}},
    )
    assert json.loads(text).keys() == tools.schema["properties"].keys()
    described = {"name": "tags", "strict": True, "schema": tools.schema}
    response_format = {"type": "json_schema", "json_schema": described}
    assert json.loads(bench.call("openai", response_format=response_format)).keys() == tools.schema["properties"].keys()
    text = bench.call(
        "google", response_mime_type="application/json", response_json_schema={**tools.schema}, temperature=0.5
    )
    assert json.loads(text).keys() == tools.schema["properties"].keys()


@pytest.mark.parametrize(
    ("provider", "model", "options", "status", "words"),
    [
        ("anthropic", "claude-9", {}, 404, "model: claude-9"),
        ("anthropic", "claude-haiku-4-5-20251001", {"max_tokens": 0}, 400, "greater than or equal to 1"),
        ("anthropic", "claude-haiku-4-5-20251001", {"extra_body": {"temperature": 1}}, 400, "Extra inputs"),
        ("anthropic", "claude-haiku-4-5-20251001", {"messages": []}, 400, "at least one message"),
        ("openai", "gpt-9", {}, 404, "does not exist"),
        ("openai", "gpt-5-nano", {"temperature": 0}, 400, "'temperature' does not support 0"),
        ("openai", "gpt-5-nano", {"max_tokens": 50}, 400, "max_completion_tokens"),
        ("openai", "gpt-4o-mini", {"messages": []}, 400, "empty array"),
        ("openai", "gpt-4o-mini", {"metadata": {"submission": "x"}}, 400, "only allowed when 'store' is enabled"),
        ("openai", "gpt-4o-mini", {"service_tier": "flex"}, 400, "'flex' is not available for gpt-4o-mini"),
        ("openai", "gpt-5-nano", {"service_tier": "fast"}, 400, "'fast' is not available for gpt-5-nano"),
        ("openai", "gpt-5-nano", {"service_tier": "cheap"}, 400, "Supported values are: 'auto', 'default', 'flex'"),
        ("groq", "gpt-4o-mini", {}, 404, "does not exist"),
        ("groq", "llama-3.3-70b-versatile", {"n": 2}, 400, "at most 1"),
        ("groq", "llama-3.3-70b-versatile", {"response_format": {"type": "json_schema"}}, 400, "json_schema"),
        ("google", "gemini-9", {}, 404, "not found for API version"),
        ("google", "gemini-2.0-flash", {"thinking_config": {"thinking_budget": 0}}, 400, "Thinking is not enabled"),
        ("google", "gemini-2.0-flash", {"max_output_tokens": 9000}, 400, "supported range"),
        ("google", "gemini-2.5-flash-lite", {"thinking_config": {"thinking_budget": 5}}, 400, "thinking budget 5"),
    ],
)
def test_calls_are_rejected_for_the_same_reasons_as_rows(shared, provider, model, options, status, words):
    with pytest.raises(Exception, match=words) as refused:
        shared.call(provider, model=model, **options)
    assert status_of(refused.value) == status


@pytest.mark.parametrize(
    ("asked", "served"),
    [(None, "default"), ("auto", "default"), ("default", "default"), ("flex", "flex"), ("fast", "priority")],
)
def test_an_answer_and_its_bill_name_the_tier_that_served_it(bench, tools, asked, served):
    tier = {} if asked is None else {"service_tier": asked}
    messages = [{"role": "user", "content": tools.user_text()}]
    answer = bench.openai.chat.completions.create(model="gpt-6-luna", messages=messages, **tier)
    assert answer.service_tier == served
    assert bench.report("billed")["openai"]["direct_requests_by_tier"] == {served: 1}
    (bill,) = bench.server.sandbox.billing.bills("openai")
    assert bill.service_tier == served


def test_flex_without_room_is_not_billed_and_other_tiers_are_served(bench, tools):
    bench.arm("flex_full", "openai", times=2, retry_after=7)
    messages = [{"role": "user", "content": tools.user_text()}]
    create = bench.openai.with_options(max_retries=0).chat.completions.create
    with pytest.raises(openai.RateLimitError) as refused:
        create(model="gpt-5-nano", messages=messages, service_tier="flex")
    assert refused.value.code == "resource_unavailable"
    assert refused.value.response.headers["retry-after"] == "7"
    assert create(model="gpt-5-nano", messages=messages).service_tier == "default"
    with pytest.raises(openai.RateLimitError):
        create(model="gpt-5-nano", messages=messages, service_tier="flex")
    assert create(model="gpt-5-nano", messages=messages, service_tier="flex").service_tier == "flex"
    assert bench.report("billed")["openai"]["direct_requests_by_tier"] == {"default": 1, "flex": 1}


def test_flex_can_be_refused_to_an_account(bench, tools):
    bench.arm("flex_refused", "openai")
    messages = [{"role": "user", "content": tools.user_text()}]
    with pytest.raises(openai.BadRequestError) as refused:
        bench.openai.chat.completions.create(model="gpt-5-nano", messages=messages, service_tier="flex")
    assert refused.value.param == "service_tier"
    assert bench.report("billed")["openai"]["direct_requests"] == 0


def test_a_batch_refuses_rows_that_ask_for_a_tier(bench):
    rows = bench.rows_of("openai", 2, model="gpt-5-nano")
    rows[0] = {**rows[0], "body": {**rows[0]["body"], "service_tier": "flex"}}
    outcomes = bench.run("openai", rows)
    assert sorted(row["response"]["status_code"] for row in outcomes.values()) == [200, 400]


def test_anthropic_sampling_depends_on_the_version(shared):
    old = shared.new_anthropic(default_headers={"anthropic-version": "2023-06-01"})
    assert shared.call("anthropic", client=old, extra_body={"temperature": 0.5})


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/anthropic/v1/messages", b"{", "not valid JSON"),
        ("/anthropic/v1/messages", b"[]", "model: Field required"),
        ("/openai/v1/chat/completions", b"{", "could not parse"),
        ("/openai/v1/chat/completions", b"[]", "model parameter"),
        ("/openai/v1/chat/completions", b'{"model": "gpt-4o-mini"}', "'messages'"),
        ("/groq/openai/v1/chat/completions", b'{"model": "qwen/qwen3-32b", "messages": 5}', "messages"),
        ("/google/v1beta/models/gemini-2.0-flash:generateContent", b"{", "Invalid JSON"),
        ("/google/v1beta/models/gemini-2.0-flash:generateContent", b"[]", "contents is not specified"),
        ("/google/v1beta/models/gemini-2.0-flash:generateContent", b'{"words": []}', "words"),
    ],
)
def test_malformed_bodies_are_rejected(shared, path, body, words):
    headers = {"authorization": "Bearer sandbox-x", "x-goog-api-key": "sandbox-x", "anthropic-version": "2026-10-21"}
    answer = httpx.post(shared.server.url + path, headers=headers, content=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/anthropic/v1/messages", 401),
        ("/openai/v1/chat/completions", 401),
        ("/groq/openai/v1/chat/completions", 401),
        ("/google/v1beta/models/gemini-2.0-flash:generateContent", 403),
    ],
)
def test_a_key_is_required(shared, path, status):
    assert httpx.post(shared.server.url + path, json={}).status_code == status


def test_streaming_is_rejected(shared):
    with pytest.raises(openai.BadRequestError, match="Streaming"):
        shared.openai.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}], stream=True
        )


# Bills.


@pytest.mark.parametrize("provider", PROVIDERS)
def test_calls_are_billed_separately_and_double_payments_are_counted(bench, provider):
    model = "claude-haiku-4-5-20251001" if provider == "anthropic" else None
    bench.wait(provider, bench.submit(provider, bench.rows_of(provider, 8, model, prefix="both")))
    in_batch = bench.report("billed")[provider]
    for number in range(4, 10):
        bench.call(provider, f"both-{number}")
    bench.call(provider, None)
    billed = bench.report("billed")[provider]
    assert billed["requests"] == in_batch["requests"] <= 8
    assert billed["input_tokens"] == in_batch["input_tokens"]
    assert 5 <= billed["direct_requests"] <= 7
    assert billed["direct_requests_without_custom_id"] <= 1
    assert billed["direct_input_tokens"] > 0
    assert billed["direct_output_tokens"] > 0
    assert 9 <= billed["custom_ids"] <= 10
    # A random failure of one call is not billed.
    assert 3 <= billed["custom_ids_billed_more_than_once"] <= 4
    # The batch and the calls contain the same question.
    assert billed["distinct_questions"] == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_rejected_calls_are_not_billed(bench, provider):
    with pytest.raises(Exception, match="exist|model|found"):
        bench.call(provider, model="no-such-model")
    assert bench.report("billed")[provider]["direct_requests"] == 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_call_whose_response_is_lost_is_billed(bench, provider):
    bench.arm("answer_then_drop", provider, times=1)
    with pytest.raises(Exception):  # noqa: B017 - each SDK has its own
        bench.call(provider, "lost")
    bench.call(provider, "lost")
    billed = bench.report("billed")[provider]
    assert (billed["direct_requests"], billed["custom_ids_billed_more_than_once"]) == (2, 1)


def test_a_call_that_the_client_aborts_is_billed(bench):
    bench.arm("slow_answers", "openai", seconds=1)
    with pytest.raises(openai.APITimeoutError):
        bench.call("openai", client=bench.new_openai(timeout=0.3))
    deadline = time.monotonic() + 5
    while bench.report("billed")["openai"]["direct_requests"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_bills_survive_a_restart(new_bench, tmp_path):
    first = new_bench(state=tmp_path)
    first.call("openai", "before")
    first.server.stop()
    second = new_bench(state=tmp_path)
    second.call("openai", "before")
    assert second.report("billed")["openai"]["custom_ids_billed_more_than_once"] == 1


# Limits.


RATE_LIMITED = {
    "anthropic": anthropic.RateLimitError,
    "openai": openai.RateLimitError,
    "groq": groq.RateLimitError,
    "google": errors.ClientError,
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("retry_after", [None, 7])
def test_a_rate_limit_error_carries_the_time_to_wait(bench, provider, retry_after):
    bench.arm("rate_limited", provider, times=2, retry_after=retry_after)
    for _ in range(2):
        with pytest.raises(RATE_LIMITED[provider]) as refused:
            bench.call(provider)
        assert status_of(refused.value) == 429
        assert retry_after_of(provider, refused.value) == (None if retry_after is None else "7")
    assert bench.call(provider)
    assert bench.report("calls")[provider]["asking"]["429"] == 2


def retry_after_of(provider, error):
    """Return the seconds to wait. Google has them only in the body, the others in a header."""
    if provider != "google":
        return error.response.headers.get("retry-after")
    assert "retry-after" not in error.response.headers
    details = error.details["error"].get("details", [])
    return next((each["retryDelay"].removesuffix("s") for each in details if "retryDelay" in each), None)


def test_an_sdk_retries_after_the_given_time(bench):
    bench.arm("rate_limited", "openai", times=2, retry_after=0, calls="asking")
    assert bench.call("openai", client=bench.openai.with_options(max_retries=2))
    assert bench.report("calls")["openai"]["asking"] == {"200": 1, "429": 2}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_rate_limit_is_enforced(bench, provider):
    bench.arm("limit_rate", provider, requests=3, seconds=60)
    for _ in range(3):
        bench.call(provider)
    with pytest.raises(RATE_LIMITED[provider]) as refused:
        bench.call(provider)
    assert 50 < float(retry_after_of(provider, refused.value)) <= 60
    # Polling has its own limit.
    assert bench.listed(provider) == []
    assert bench.report("billed")[provider]["direct_requests"] == 3


def test_a_rate_limit_recovers(bench):
    bench.arm("limit_rate", "groq", requests=2, seconds=0.3)
    started = time.monotonic()
    answered = 0
    while answered < 6:
        try:
            bench.call("groq")
            answered += 1
        except groq.RateLimitError as refused:
            assert refused.response.headers["retry-after"] == "1"
            time.sleep(0.02)
    # Six calls, two per 0.3 seconds, cannot end before the third window begins.
    assert time.monotonic() - started >= 0.6


def test_concurrent_calls_are_counted(bench):
    bench.arm("slow_answers", "openai", seconds=0.8)
    client = bench.openai
    callers = [threading.Thread(target=bench.call, args=("openai",), kwargs={"client": client}) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert bench.report("calls")["openai"]["most_answered_at_once"] == 4


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_account_without_batch_access_can_make_calls(bench, provider):
    bench.arm("no_batch_access", provider)
    rows = bench.rows_of(provider, 2)
    with pytest.raises(Exception, match="access|not available") as refused:
        bench.submit(provider, rows)
    assert status_of(refused.value) == (400 if provider == "google" else 403)
    assert bench.report("batches")["batches"] == []
    assert bench.call(provider)


def test_groq_and_google_report_missing_batch_access_in_their_own_way(bench):
    bench.arm("no_batch_access", "groq")
    with pytest.raises(groq.PermissionDeniedError) as refused:
        bench.submit("groq", bench.rows_of("groq", 1))
    assert refused.value.body["error"]["code"] == "not_available_for_plan"
    bench.arm("no_batch_access", "google", times=1)
    with pytest.raises(errors.ClientError) as refused:
        bench.submit("google", bench.rows_of("google", 1))
    assert refused.value.status == "FAILED_PRECONDITION"
    bench.arm("no_batch_access", "google", status=429)
    with pytest.raises(errors.ClientError) as refused:
        bench.submit("google", bench.rows_of("google", 1))
    assert refused.value.status == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_random_overload_is_not_billed(bench, provider):
    """About one call in a thousand of these models fails, as in batches."""
    # The first failure is shortly after these numbers; if the responses change, the search takes longer.
    first = {"anthropic": 1100, "openai": 550, "groq": 780, "google": 50}[provider]
    with httpx.Client(headers=headers_of()) as client:
        for number in range(first, first + 5000):
            answer = client.post(bench.server.url + path_of(provider), content=body_of(bench, provider, number))
            if answer.status_code != 200:
                break
    assert answer.status_code in (500, 503, 529)
    assert bench.report("billed")[provider]["direct_requests"] == number - first


def headers_of():
    return {"authorization": "Bearer sandbox-x", "x-goog-api-key": "sandbox-x", "anthropic-version": "2026-10-21"}


def path_of(provider):
    return {
        "anthropic": "/anthropic/v1/messages",
        "openai": "/openai/v1/chat/completions",
        "groq": "/groq/openai/v1/chat/completions",
        "google": "/google/v1beta/models/gemini-2.0-flash:generateContent",
    }[provider]


def body_of(bench, provider, number):
    row = bench.rows_of(provider, 1, user=f'{{"hex": ["#{number:06x}"]}}')[0]
    return json.dumps(row.get("params") or row.get("body") or row.get("request"))
