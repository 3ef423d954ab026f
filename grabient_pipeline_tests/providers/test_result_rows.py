"""A result line becomes a response or an error with its reason, or is kept as unreadable."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_pipeline.batches.stages import REFINEMENT, TAGGING
from grabient_pipeline.providers.base import ResultRow, UnreadableRow, result_rows
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline.providers.transport.rows import LONGEST_LINE
from grabient_pipeline_tests.catalogue import KEYS, PROVIDERS


@pytest.fixture(scope="module")
def providers():
    return {key: open_provider(key, KEYS) for key in PROVIDERS}


def claude(content, stop_reason="end_turn", **usage):
    usage = {"input_tokens": 10, "output_tokens": 5, **usage}
    message = {"type": "message", "content": content, "stop_reason": stop_reason, "usage": usage}
    return {"custom_id": "a_1", "result": {"type": "succeeded", "message": message}}


def chat(message, finish_reason="stop", status_code=200, **usage):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, **usage}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], "usage": usage}
    return {"id": "b", "custom_id": "a_1", "response": {"status_code": status_code, "body": body}, "error": None}


def chat_details(input_details, output_details, service_tier=None, **usage):
    row = chat({"content": "x"}, prompt_tokens_details=input_details, completion_tokens_details=output_details, **usage)
    row["response"]["body"]["service_tier"] = service_tier
    return row


def chat_response(response, error=None):
    return {"id": "b", "custom_id": "a_1", "response": response, "error": error}


def rejected_answer_row(text, **body):
    error = {"code": "json_validate_failed", "message": "no JSON", "failed_generation": text}
    return chat_response({"status_code": 400, "body": {"error": error, **body}})


def gemini(parts, finish_reason="STOP", **usage):
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, **usage}
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": finish_reason}
    return {"key": "a_1", "response": {"candidates": [candidate], "usageMetadata": usage}}


def response_row(text, reason="stop", error=None, tokens=(10, 5), **details):
    return ResultRow("a_1", "succeeded", text, reason, error, *tokens, **details)


def gemini_row(*args, **fields):
    """A response of Google, which leaves out counts of zero."""
    return response_row(*args, **{"cached_input_tokens": 0, "reasoning_tokens": 0, **fields})


def error_row(outcome, error, tokens=(None, None)):
    return ResultRow("a_1", outcome, None, None, error, *tokens)


TEXT = {"type": "text", "text": "hello"}
ANTHROPIC = {
    "text": (claude([TEXT]), response_row("hello", "end_turn")),
    "two blocks of text": (claude([TEXT, TEXT]), response_row("hellohello", "end_turn")),
    "thinking is not text": (claude([{"type": "thinking", "thinking": "hm"}, TEXT]), response_row("hello", "end_turn")),
    "the input of a tool is the response": (
        claude([TEXT, {"type": "tool_use", "name": "palette_tags", "input": {"mood": ["calm"]}}], "tool_use"),
        response_row('{"mood":["calm"]}', "tool_use"),
    ),
    "refusal": (claude([], "refusal"), response_row(None, "refusal")),
    "no content": (claude(None, "max_tokens"), response_row(None, "max_tokens")),
    "cached input is billed": (
        claude([TEXT], cache_read_input_tokens=100, cache_creation_input_tokens=1),
        response_row("hello", "end_turn", tokens=(111, 5), cached_input_tokens=100, cache_write_tokens=1),
    ),
    "errored": (
        {
            "custom_id": "a_1",
            "result": {
                "type": "errored",
                "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "no such model"}},
            },
        },
        error_row("errored", "invalid_request_error: no such model"),
    ),
    "errored, in the flat format": (
        {"custom_id": "a_1", "result": {"type": "errored", "error": {"type": "api_error", "message": "x"}}},
        error_row("errored", "api_error: x"),
    ),
    "errored, without details": ({"custom_id": "a_1", "result": {"type": "errored"}}, error_row("errored", "errored")),
    "expired": (
        {"custom_id": "a_1", "result": {"type": "expired"}},
        error_row("expired", "the batch was expired before this request"),
    ),
    "cancelled": (
        {"custom_id": "a_1", "result": {"type": "canceled"}},
        error_row("cancelled", "the batch was cancelled before this request"),
    ),
}
CHAT = {
    "text": (chat({"content": "hello"}), response_row("hello")),
    "cut off": (chat({"content": "hel"}, "length"), response_row("hel", "length")),
    "no content": (chat({"content": None}, "length"), response_row(None, "length")),
    "refusal": (
        chat({"content": None, "refusal": "I cannot\nhelp"}),
        response_row(None, "refusal", "I cannot help"),
    ),
    "refusal beside text": (
        chat({"content": "hel", "refusal": "I stop here"}),
        response_row("hel", "refusal", "I stop here"),
    ),
    "an answer that Groq's check rejects": (
        rejected_answer_row("```json\n{}\n```"),
        response_row("```json\n{}\n```", "json_validate_failed", "json_validate_failed: no JSON", (None, None)),
    ),
    "the same, with tokens": (
        rejected_answer_row("{", usage={"prompt_tokens": 10, "completion_tokens": 5}),
        response_row("{", "json_validate_failed", "json_validate_failed: no JSON"),
    ),
    "the same, without text": (rejected_answer_row(" \n"), error_row("errored", "json_validate_failed: no JSON")),
    "the same, without an answer": (rejected_answer_row(None), error_row("errored", "json_validate_failed: no JSON")),
    "tokens as text": (chat({"content": "x"}, prompt_tokens="7"), response_row("x", tokens=(7, 5))),
    "invalid tokens": (
        chat({"content": "x"}, prompt_tokens=-7, completion_tokens=True),
        response_row("x", tokens=(None, None)),
    ),
    "status 0 with an empty body": (
        chat_response({"status_code": 0, "request_id": "", "body": {}}),
        error_row("errored", "HTTP status 0"),
    ),
    "status 0 without a body": (
        chat_response({"status_code": 0, "body": None}),
        error_row("errored", "HTTP status 0"),
    ),
    "refused": (
        chat_response(
            {"status_code": 400, "body": {"error": {"message": "bad", "type": "invalid_request_error", "code": None}}}
        ),
        error_row("errored", "invalid_request_error: bad"),
    ),
    "refused, with a code": (
        chat_response({"status_code": 404, "body": {"error": {"message": "gone", "code": "model_not_found"}}}),
        error_row("errored", "model_not_found: gone"),
    ),
    "expired": (
        chat_response(None, {"code": "batch_expired", "message": "too late"}),
        error_row("expired", "batch_expired: too late"),
    ),
    "cancelled": (
        chat_response(None, {"code": "batch_cancelled", "message": "stopped"}),
        error_row("cancelled", "batch_cancelled: stopped"),
    ),
    "not run for another reason": (
        chat_response(None, {"code": "server_error", "message": "oops"}),
        error_row("errored", "server_error: oops"),
    ),
    "neither response nor error": (chat_response(None), error_row("errored", "no response")),
}
GOOGLE = {
    "text": (gemini([{"text": "hello"}]), gemini_row("hello", "STOP")),
    "parts are joined": (gemini([{"text": "hel"}, {"text": "lo"}]), gemini_row("hello", "STOP")),
    "thoughts are not text, but are billed": (
        gemini([{"text": "hm", "thought": True}, {"text": "hello"}], thoughtsTokenCount=7),
        gemini_row("hello", "STOP", tokens=(10, 12), reasoning_tokens=7),
    ),
    "cut off": (gemini([{"text": "hel"}], "MAX_TOKENS"), gemini_row("hel", "MAX_TOKENS")),
    "withheld": (
        {"key": "a_1", "response": {"candidates": [{"finishReason": "SAFETY"}]}},
        response_row(None, "SAFETY", tokens=(None, 0)),
    ),
    "blocked: no candidates": (
        {
            "key": "a_1",
            "response": {
                "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
                "usageMetadata": {"promptTokenCount": 10},
            },
        },
        gemini_row(None, "PROHIBITED_CONTENT", "no candidate", tokens=(10, 0)),
    ),
    "no candidates and no reason": (
        {"key": "a_1", "response": {"candidates": [], "usageMetadata": {"promptTokenCount": 10}}},
        gemini_row(None, "SAFETY", "no candidate", tokens=(10, 0)),
    ),
    "errored": (
        {"key": "a_1", "error": {"code": 3, "message": "bad", "details": [{"@type": "x"}]}},
        error_row("errored", "3: bad"),
    ),
    "errored, without details": ({"key": "a_1"}, error_row("errored", "no response")),
}
CASES = [
    pytest.param(provider, line, expected, id=f"{provider}: {name}")
    for provider, table in (("anthropic", ANTHROPIC), ("openai", CHAT), ("groq", CHAT), ("google", GOOGLE))
    for name, (line, expected) in table.items()
]


@pytest.mark.parametrize(("provider", "line", "expected"), CASES)
def test_a_line_is_read_as_a_row(providers, provider, line, expected):
    row = providers[provider].read_row(json.dumps(line).encode())
    if expected.input_tokens is None and expected.output_tokens == 0:
        assert (row.text, row.finish_reason, row.outcome) == (expected.text, expected.finish_reason, "succeeded")
    else:
        assert row == expected


HUGE = 2**62
DETAILS = {
    # Of Anthropic's input, the API's own figure is the rest.
    "anthropic: all of them": (
        claude(
            [TEXT],
            cache_read_input_tokens=100,
            cache_creation_input_tokens=30,
            cache_creation={"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
            output_tokens_details={"thinking_tokens": 3},
            service_tier="standard",
        ),
        (140, 5, 100, 30, 10, 3, "standard"),
    ),
    "anthropic: none of them": (claude([TEXT]), (10, 5, None, None, None, None, None)),
    "anthropic: more for an hour than at all": (
        claude([TEXT], cache_creation_input_tokens=7, cache_creation={"ephemeral_1h_input_tokens": 99}),
        (17, 5, None, 7, 7, None, None),
    ),
    "anthropic: more than a request can have": (
        claude([TEXT], cache_read_input_tokens=HUGE, cache_creation_input_tokens=HUGE),
        (None, 5, None, None, None, None, None),
    ),
    "anthropic: other types": (
        claude([TEXT], cache_read_input_tokens="x", cache_creation=[1], output_tokens_details=7, service_tier={"a": 1}),
        (10, 5, None, None, None, None, None),
    ),
    "openai: all of them": (
        chat_details({"cached_tokens": 6, "cache_write_tokens": 3}, {"reasoning_tokens": 4}, service_tier="flex"),
        (10, 5, 6, 3, None, 4, "flex"),
    ),
    "openai: nothing cached": (
        chat_details({"cached_tokens": 0}, {"reasoning_tokens": 0}),
        (10, 5, 0, None, None, 0, None),
    ),
    "openai: more cached than sent": (
        chat_details({"cached_tokens": 900, "cache_write_tokens": 900}, {"reasoning_tokens": 900}),
        (10, 5, 10, 0, None, 5, None),
    ),
    "openai: more written than the rest": (
        chat_details({"cached_tokens": 4, "cache_write_tokens": 9}, {}),
        (10, 5, 4, 6, None, None, None),
    ),
    "openai: negative and absurd": (
        chat_details({"cached_tokens": -3, "cache_write_tokens": True}, {"reasoning_tokens": 1e300}),
        (10, 5, None, None, None, None, None),
    ),
    "openai: other types": (chat_details([1], "x", service_tier="Flex; DROP"), (10, 5, None, None, None, None, None)),
    "openai: parts of a total that is not told": (
        chat_details({"cached_tokens": 4}, {"reasoning_tokens": 2}, prompt_tokens=None, completion_tokens=HUGE),
        (None, None, None, None, None, None, None),
    ),
    "groq: cached": (
        chat_details({"cached_tokens": 6}, {}, service_tier="on_demand"),
        (10, 5, 6, None, None, None, "on_demand"),
    ),
    "groq: not told": (chat({"content": "x"}), (10, 5, None, None, None, None, None)),
    "google: all of them": (
        gemini([{"text": "x"}], cachedContentTokenCount=8, thoughtsTokenCount=7),
        (10, 12, 8, None, None, 7, None),
    ),
    "google: counts of zero are left out": (gemini([{"text": "x"}]), (10, 5, 0, None, None, 0, None)),
    "google: more cached than sent": (
        gemini([{"text": "x"}], cachedContentTokenCount="999"),
        (10, 5, 10, None, None, 0, None),
    ),
    "google: other types": (
        gemini([{"text": "x"}], cachedContentTokenCount=[], thoughtsTokenCount=-1),
        (10, 5, None, None, None, None, None),
    ),
}


@pytest.mark.parametrize(("line", "expected"), DETAILS.values(), ids=DETAILS)
def test_the_parts_of_tokens_are_never_more_than_the_whole(providers, request, line, expected):
    """Input, output, cached, written, written for an hour, reasoning; and the tier that served the request."""
    provider = request.node.callspec.id.partition(":")[0]
    row = providers[provider].read_row(json.dumps(line).encode())
    assert row[5:] == expected


@pytest.mark.parametrize("stage", [TAGGING, REFINEMENT], ids=lambda stage: stage.name)
def test_an_answer_that_groqs_check_rejects_is_parsed(providers, stage):
    line = rejected_answer_row('```json\n{"mood": ["calm"], "style": ["minimal"], "associations": ["sea"]}\n```')
    row = providers["groq"].read_row(json.dumps(line).encode())
    assert stage.parse(row.text, row.finish_reason).tags.mood == ("calm",)


UNREADABLE = {
    "half a line": b'{"custom_id": "a',
    "not JSON": b"<html>502</html>",
    "empty": b"",
    "a list": b"[]",
    "a string": b'"a_1"',
    "null": b"null",
    "no id": b'{"response": {}}',
    "an id that is a number": b'{"custom_id": 1, "key": 1}',
    "an id that is null": b'{"custom_id": null, "key": null}',
    "not UTF-8": b'{"custom_id": "\xff", "key": "\xff"}',
    "deeply nested": b"[" * 100_000,
    "not a number": b'{"custom_id": "a_1", "key": "a_1", "response": NaN}',
    "terminal control": b"\x1b[2J\x00",
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("line", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_line_is_kept_with_the_reason(providers, provider, line):
    row = providers[provider].read_row(line)
    assert isinstance(row, UnreadableRow)
    assert row.reason
    assert len(row.line) <= LONGEST_LINE
    assert "\x1b" not in row.line + row.reason


@pytest.mark.parametrize(
    "line",
    [
        {"custom_id": "a_1", "result": {"type": "reborn"}},
        {"custom_id": "a_1"},
        {"custom_id": "a_1", "result": []},
    ],
    ids=["a new type", "no result", "a list"],
)
def test_an_unknown_type_of_anthropic_result_is_unreadable(providers, line):
    """Reported as missing rather than guessed at."""
    assert isinstance(providers["anthropic"].read_row(json.dumps(line).encode()), UnreadableRow)


@pytest.mark.parametrize("provider", ["openai", "groq"])
@pytest.mark.parametrize("choices", [[], None, 7, {}], ids=str)
def test_a_completion_without_choices_is_unreadable(providers, provider, choices):
    line = chat_response({"status_code": 200, "body": {"choices": choices}})
    assert isinstance(providers[provider].read_row(json.dumps(line).encode()), UnreadableRow)


SHAPES = {
    "anthropic": lambda text: claude([{"type": "text", "text": text}]),
    "openai": lambda text: chat({"content": text}),
    "groq": lambda text: chat({"content": text}),
    "google": lambda text: gemini([{"text": text}]),
}


def line_with(provider, text):
    return SHAPES[provider](text)


@pytest.mark.parametrize("provider", SHAPES)
def test_an_unpaired_surrogate_is_replaced_by_a_question_mark(providers, provider):
    line = json.dumps(line_with(provider, "a\ud83db")).encode()
    assert rb"\ud83d" in line
    row = providers[provider].read_row(line)
    assert row.text == "a?b"
    row.text.encode()


@pytest.mark.parametrize("provider", SHAPES)
def test_a_surrogate_pair_is_one_character(providers, provider):
    line = json.dumps(line_with(provider, "a🎨b")).encode()
    assert rb"\ud83c\udfa8" in line
    assert providers[provider].read_row(line).text == "a🎨b"


@pytest.mark.parametrize("provider", SHAPES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""], ids=["LF", "CRLF", "no final line feed"])
def test_only_a_line_feed_ends_a_row(providers, provider, end, tmp_path):
    """Responses contain U+2028, U+2029 and U+0085, at which the SDKs' own iterators split."""
    texts = ["one\u2028two", "three\u2029four", "five\u0085six"]
    lines = [json.dumps(line_with(provider, text), ensure_ascii=False).encode() for text in texts]
    path = tmp_path / "output.jsonl"
    path.write_bytes((end or b"\n").join(lines) + end + b"\n\n")
    assert [row.text for row in result_rows(providers[provider], [path])] == texts


def json_values():
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    names = st.sampled_from(
        "custom_id key result type message content response body choices usage error candidates parts text".split()
    )
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
    )


@given(value=json_values(), named=st.booleans())
def test_reading_never_raises(providers, value, named):
    if named and isinstance(value, dict):
        value = {**value, "custom_id": "a_1", "key": "a_1"}
    for provider in providers.values():
        row = provider.read_row(json.dumps(value).encode())
        assert isinstance(row, ResultRow | UnreadableRow)
        if isinstance(row, ResultRow):
            assert row.outcome in ("succeeded", "errored", "expired", "cancelled")
            assert row.text is None or isinstance(row.text, str)
