"""Errors and their reasons, bounded time on any input, and properties that hold for every text."""

from __future__ import annotations

import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_pipeline.tagging import AnswerError, Tags, parse_answer, vocabulary
from grabient_pipeline.tagging.parsing.normalise import MAX_TAG_LENGTH, MAX_TAG_WORDS, MAX_TAGS
from grabient_pipeline_tests.tagging.parsing.samples import CALM, CALM_TAGS, WHOLE

ERRORS: dict[str, tuple[str | None, str | None, AnswerError]] = {
    "None": (None, "stop", AnswerError.NO_TEXT),
    "empty": ("", "stop", AnswerError.NO_TEXT),
    "blank": (" \r\n\ufeff\u200b", "stop", AnswerError.NO_TEXT),
    "empty object": ("{}", "stop", AnswerError.EMPTY),
    "empty object in a fence": ("```json\n{}\n```", "stop", AnswerError.EMPTY),
    "empty lists": ('{"mood":[],"style":[],"contrast":null}', "stop", AnswerError.EMPTY),
    "only words that are dropped": ('{"mood":["warm"],"seasonal":["monsoon"]}', "stop", AnswerError.EMPTY),
    "only other keys": ('{"error":"no palette"}', "stop", AnswerError.EMPTY),
    "two wrapped answers": (f'{{"a":{CALM},"b":{CALM}}}', "stop", AnswerError.EMPTY),
    "wrapped too deep": (f'{{"a":{{"b":{{"c":{{"d":{CALM}}}}}}}}}', "stop", AnswerError.EMPTY),
    "the schema said back": (
        '{"type":"object","properties":{"mood":{"type":"array"}}}',
        "stop",
        AnswerError.EMPTY,
    ),
    "list": ("[]", "stop", AnswerError.NOT_AN_OBJECT),
    "list of strings": ('["calm"]', "stop", AnswerError.NOT_AN_OBJECT),
    "list in a fence": ('```json\n["calm"]\n```', "stop", AnswerError.NOT_AN_OBJECT),
    "null": ("null", "stop", AnswerError.NOT_AN_OBJECT),
    "string": ('"calm"', "stop", AnswerError.NOT_AN_OBJECT),
    "number": ("42", "stop", AnswerError.NOT_AN_OBJECT),
    "prose": ("Calm and cool, like the sea.", "stop", AnswerError.NO_JSON),
    "only thinking": (f"<think>{CALM}</think>", "stop", AnswerError.NO_JSON),
    "unclosed thinking": (f"<think>maybe {CALM}", "stop", AnswerError.NO_JSON),
    "NaN": ('{"mood":["calm"],"score":NaN}', "stop", AnswerError.INVALID_JSON),
    "Infinity": ('{"mood":["calm"],"score":-Infinity}', "stop", AnswerError.INVALID_JSON),
    "single quotes": ("{'mood':['calm']}", "stop", AnswerError.INVALID_JSON),
    "comments": ('{"mood":["calm"] /* sea */}', "stop", AnswerError.INVALID_JSON),
    "bare keys": ('{mood:["calm"]}', "stop", AnswerError.INVALID_JSON),
    "lone surrogate escaped": ('{"mood":["\\ud83d"]}', "stop", AnswerError.INVALID_JSON),
    "does not end": ('{"mood":["calm","ser', "stop", AnswerError.INVALID_JSON),
    "too deep": ('{"mood":' + "[" * 5000 + "]" * 5000 + "}", "stop", AnswerError.INVALID_JSON),
    "refused in words": ("I'm sorry, but I can't help with that.", "stop", AnswerError.REFUSED),
    "refused in other words": ("I cannot see any colours.", "stop", AnswerError.REFUSED),
    "cut off": ('{"mood":["calm","ser', "length", AnswerError.TRUNCATED),
    "cut off before any text": (None, "length", AnswerError.TRUNCATED),
    "cut off after the object": (CALM, "max_tokens", AnswerError.TRUNCATED),
    "cut off by the context window": (CALM, "model_context_window_exceeded", AnswerError.TRUNCATED),
    "cut off by Google": (CALM, "MAX_TOKENS", AnswerError.TRUNCATED),
    "filtered by OpenAI": (None, "content_filter", AnswerError.REFUSED),
    "refused by Anthropic": (CALM, "refusal", AnswerError.REFUSED),
    "refused by Google": ("", "SAFETY", AnswerError.REFUSED),
    "recited": (CALM, "RECITATION", AnswerError.REFUSED),
    "prohibited": (None, "PROHIBITED_CONTENT", AnswerError.REFUSED),
    "on a blocklist": (None, "BLOCKLIST", AnswerError.REFUSED),
}


@pytest.mark.parametrize(("text", "finish_reason", "code"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_have_their_code(text: str | None, finish_reason: str | None, code: AnswerError) -> None:
    parsed = parse_answer(text, finish_reason)
    assert parsed.tags is None
    assert parsed.error is not None
    assert parsed.error.partition(": ")[0] == code


@pytest.mark.parametrize(
    "finish_reason",
    [None, "", "stop", "STOP", "end_turn", "stop_sequence", "tool_use", "tool_calls", "function_call", "new"],
)
def test_other_finish_reasons_are_ignored(finish_reason: str | None) -> None:
    assert parse_answer(CALM, finish_reason).tags == CALM_TAGS


MEGABYTE = 1_000_000
GARBAGE = {
    "braces": "{" * MEGABYTE,
    "brackets": "[" * MEGABYTE,
    "empty objects": "{} " * (MEGABYTE // 3),
    "braces and quotes": '{"' * (MEGABYTE // 2),
    "nested keys": '{"a":' * (MEGABYTE // 5),
    "escaped quotes": '{"' + '\\"' * (MEGABYTE // 2),
    "backslashes": '{"' + "\\" * MEGABYTE,
    "thinking": "<think>" * (MEGABYTE // 7),
    "thinking tags that do not end": "<think " * (MEGABYTE // 7),
    "ends of thinking": "</think>" * (MEGABYTE // 8),
    "fences": "```{" * (MEGABYTE // 4),
    "commas": "{" + '",",' * (MEGABYTE // 4) + "}",
    "space": "{," + " " * MEGABYTE + "x}",
    "surrogates": "\ud800" * MEGABYTE,
    "keys": "{" + ",".join(f'"k{number}":{{}}' for number in range(MEGABYTE // 12)) + "}",
    "one long tag": '{"mood":["' + "a " * (MEGABYTE // 2) + '"]}',
    "punctuation": "!" * MEGABYTE,
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_megabyte_of_garbage_is_read_quickly(text: str) -> None:
    # It takes a tenth of this; a quadratic parser would take hours.
    started = time.perf_counter()
    assert parse_answer(text).tags is None
    assert time.perf_counter() - started < 3


def assert_within_bounds(parsed: Tags) -> None:
    for attribute, values in vocabulary.ATTRIBUTES.items():
        assert getattr(parsed, attribute) in (None, *values)
    assert set(parsed.harmony) <= set(vocabulary.HARMONY)
    assert set(parsed.seasonal) <= set(vocabulary.SEASONAL)
    for field, most in MAX_TAGS.items():
        assert len(getattr(parsed, field)) <= most
    for words in (parsed.mood, parsed.style, parsed.harmony, parsed.seasonal, parsed.associations):
        assert len(set(words)) == len(words)
        for tag in words:
            assert 0 < len(tag) <= MAX_TAG_LENGTH
            assert len(tag.split(" ")) <= MAX_TAG_WORDS
            assert tag == tag.strip() == tag.lower()
            assert "\x1b" not in tag
            assert not {*'{}[]"<>'} & {*tag}
    assert not {*parsed.mood} & {*vocabulary.NOT_A_MOOD}


def assert_sound(text: str | None, finish_reason: str | None) -> None:
    parsed = parse_answer(text, finish_reason)
    assert (parsed.tags is None) != (parsed.error is None)
    if parsed.tags is not None:
        assert_within_bounds(parsed.tags)
        # Parsing is idempotent.
        again = parse_answer(parsed.tags.as_json(), "stop")
        assert again.tags == parsed.tags


any_text = st.text(st.characters(exclude_categories=()), max_size=200)
pieces = st.sampled_from(
    [
        *'{}[]",:\\\n ',
        *("```", "```json\n", "<think>", "</think>", "\x1b[0m", "\ud800", "null", "NaN", "1"),
        *(CALM, WHOLE, '"mood"', '"calm"', '"style":["retro",]'),
    ]
)
known_words = st.sampled_from(
    [
        *vocabulary.HARMONY,
        *vocabulary.SEASONAL,
        *vocabulary.NOT_A_MOOD,
        *vocabulary.GENERIC_WORDS,
        "calm",
        "İ",
    ]
    + [word for values in vocabulary.ATTRIBUTES.values() for word in values]
)
well_formed_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | known_words | known_words.map(str.title) | well_formed_text,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(well_formed_text, inner, max_size=3),
    max_leaves=20,
)
objects = st.dictionaries(st.sampled_from(vocabulary.FIELDS) | well_formed_text, values, max_size=10)
finish_reasons = st.none() | st.sampled_from(["stop", "length", "SAFETY", "end_turn"]) | any_text


@settings(max_examples=120, deadline=None)
@given(any_text, finish_reasons)
def test_any_text_is_read_without_an_exception(text: str, finish_reason: str | None) -> None:
    assert_sound(text, finish_reason)


@settings(max_examples=120, deadline=None)
@given(st.lists(pieces | any_text, max_size=12).map("".join))
def test_any_pieces_of_answers_are_read_without_an_exception(text: str) -> None:
    assert_sound(text, "stop")


@settings(max_examples=120, deadline=None)
@given(objects)
def test_any_object_gives_tags_within_bounds(answer: dict[str, object]) -> None:
    assert_sound(orjson.dumps(answer).decode(), "stop")


@settings(max_examples=120, deadline=None)
@given(objects, st.sampled_from(["{}", "```json\n{}\n```", "So: {} Good?", "<think>{{</think>{}"]))
def test_text_around_an_object_changes_nothing(answer: dict[str, object], around: str) -> None:
    text = orjson.dumps(answer).decode()
    alone = parse_answer(text)
    if alone.tags is not None and "```" not in text and "<" not in text:
        assert parse_answer(around.replace("{}", text).replace("{{", "{")).tags == alone.tags
