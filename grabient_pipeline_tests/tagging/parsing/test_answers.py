"""Answers as models really give them, and what is made of each."""

from __future__ import annotations

import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_pipeline.tagging import vocabulary
from grabient_pipeline.tagging.parsing.extract import (
    LONGEST_TAG,
    MOST_TAGS,
    MOST_WORDS,
    AnswerError,
    Tags,
    parse_answer,
)


def tags(**fields: object) -> Tags:
    nothing: dict[str, object] = dict.fromkeys(vocabulary.FIELDS, ())
    nothing.update(dict.fromkeys(vocabulary.ATTRIBUTES))
    return Tags(**(nothing | fields))  # type: ignore[arg-type]


CALM = '{"mood":["calm"]}'
CALM_TAGS = tags(mood=("calm",))

WHOLE = """{
  "mood": ["serene", "wistful"], "style": ["art deco", "ukiyo-e"], "harmony": ["analogous"],
  "temperature": "cool", "contrast": "high", "brightness": "varied", "saturation": "mixed",
  "seasonal": ["late autumn"], "associations": ["sea glass", "slate roof"]
}"""
WHOLE_TAGS = Tags(
    mood=("serene", "wistful"),
    style=("art deco", "ukiyo-e"),
    harmony=("analogous",),
    temperature="cool",
    contrast="high",
    brightness="varied",
    saturation="mixed",
    seasonal=("late autumn",),
    associations=("sea glass", "slate roof"),
)

FOUND = {
    "plain": WHOLE,
    "white space round it": f"\n\n  {WHOLE} \t\n",
    "byte order mark": f"\ufeff{WHOLE}",
    "CRLF": WHOLE.replace("\n", "\r\n"),
    "line separator round it": f"\u2028{WHOLE}\u2029",
    "fence with language": f"```json\n{WHOLE}\n```",
    "fence without language": f"```\n{WHOLE}\n```",
    "fence on one line": f"```json {WHOLE}```",
    "fence that does not end": f"```json\n{WHOLE}",
    "fence after braces in prose": f"The set {{a, b}} is:\n```json\n{WHOLE}\n```\nas {{said}}.",
    "fence of another language first": f"```python\nprint({{1}})\n```\n```json\n{WHOLE}\n```",
    "tilde fence": f"~~~json\n{WHOLE}\n~~~",
    "text before": f"Here are the tags:\n{WHOLE}",
    "text after": f"{WHOLE}\n\nI chose these since it looks like the sea.",
    "text after with a brace": f"{WHOLE}\nSmile :-}}",
    "thinking": f"<think>Hm, blue. Sea?</think>{WHOLE}",
    "thinking with a draft": f'<think>\n{{"mood": ["draft"]}}\n</think>\n\n{WHOLE}',
    "thinking with a fence": f'<think>\n```json\n{{"mood": ["draft"]}}\n```\n</think>\n```json\n{WHOLE}\n```',
    "thinking in capitals": f'<THINKING>{{"mood": ["draft"]}}</THINKING>{WHOLE}',
    "thinking without its opening tag": f'Hm {{"mood": ["draft"]}}\n</think>\n{WHOLE}',
    "thinking within thinking": f"<think>a <think>b</think> c</think>{WHOLE}",
    "unclosed thinking after it": f'{WHOLE}\n<think>or rather {{"mood": ["draft"]}}',
    "empty thinking": f"<think>\n\n</think>\n\n{WHOLE}",
    "two objects": f'{WHOLE}\n{{"mood": ["second"]}}',
    "an object without our fields first": f'{{"thought": "sea"}}\n{WHOLE}',
    "a brace that does not close before it": f"A {{ brace, then {WHOLE}",
    "list with one object": f"[{WHOLE}]",
    "list with two objects": f'[{WHOLE}, {{"mood": ["second"]}}]',
    "wrapped in tags": f'{{"tags": {WHOLE}}}',
    "wrapped twice": f'{{"result": {{"tags": {WHOLE}}}}}',
    "wrapped in a list": f'{{"palettes": [{WHOLE}]}}',
    "wrapped beside other things": f'{{"palette": {{"hex": ["#fff"]}}, "note": "x", "tags": {WHOLE}}}',
    "wrapper that does not end": f'{{"tags": {WHOLE}',
    "keys in other case": WHOLE.replace('"mood"', '" Mood"').replace('"style"', '"STYLE"'),
    "duplicate keys: the last": WHOLE.replace("{", '{"mood": ["first"],', 1),
    "unknown keys": WHOLE.replace("{", '{"confidence": 0.9, "palette": {"mood": []},', 1),
    "trailing commas": WHOLE.replace("]", ",]").replace("}", ",\n}"),
    "line break in a string": WHOLE.replace("sea glass", "sea\nglass"),
    "lone surrogate round it": f"\ud83d {WHOLE}",
    "closed fields as lists of one": WHOLE.replace('"cool"', '["cool"]').replace('"mixed"', '["mixed"]'),
    "closed fields in capitals": WHOLE.replace('"cool"', '" COOL "').replace('"high"', '"High."'),
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND.keys())
def test_the_object_is_found(text: str) -> None:
    assert parse_answer(text, "stop").tags == WHOLE_TAGS


FIELDS: dict[str, tuple[str, Tags]] = {
    "string instead of a list": ('{"mood":"calm","style":"art deco"}', tags(mood=("calm",), style=("art deco",))),
    "nested lists": ('{"mood":[["calm",["wild"]],[[]],"sad"]}', tags(mood=("calm", "wild", "sad"))),
    "no strings in lists": ('{"mood":[1,null,true,1.5,{"a":"b"},"calm"]}', CALM_TAGS),
    "numbers and null for fields": ('{"mood":["calm"],"style":7,"harmony":null,"contrast":5}', CALM_TAGS),
    "object for a field": ('{"mood":{"a":"b"},"style":["retro"]}', tags(style=("retro",))),
    "white space and case": ('{"mood":["  Deeply\\n\\t CALM  "]}', tags(mood=("deeply calm",))),
    "accents": ('{"associations":["Café","CAFE\\u0301"]}', tags(associations=("café",))),
    "Japanese": ('{"style":["日本","ｃａｌｍ"]}', tags(style=("日本", "calm"))),
    "marks that are no letters": ('{"style":["हिन्दी"]}', tags(style=("हिन्दी",))),
    "Turkish dotted capital": ('{"style":["İznik"]}', tags(style=("iznik",))),
    "repeats": ('{"mood":["calm","Calm"," calm "]}', CALM_TAGS),
    "the same in two lists": (
        '{"mood":["calm"],"associations":["calm"]}',
        tags(mood=("calm",), associations=("calm",)),
    ),
    "typographic hyphen": ('{"style":["mid\\u2011century"]}', tags(style=("mid-century",))),
    "typographic apostrophe": ('{"style":["rock \\u2019n\\u2019 roll"]}', tags(style=("rock 'n' roll",))),
    "underscores": ('{"style":["art_deco"]}', tags(style=("art deco",))),
    "stray punctuation": ('{"mood":["calm,","- wild","#sad","*bold*"]}', tags(mood=("calm", "wild", "sad", "bold"))),
    "only punctuation": ('{"mood":["...","—","🌊","calm"]}', CALM_TAGS),
    "braces and escapes in strings": ('{"mood":["a}{b","q\\"{","calm"]} {', CALM_TAGS),
    "fragments of JSON": ('{"mood":["calm","mood\\": [","]","style:","{","\\\\n"]}', CALM_TAGS),
    "mark-up": ('{"mood":["<b>calm</b>","<|end|>","calm"]}', CALM_TAGS),
    "null as a word": ('{"mood":["null","None","n/a","calm"]}', CALM_TAGS),
    "hex codes": ('{"associations":["#FF8800","rgb 1"],"mood":["calm"]}', CALM_TAGS),
    "four words stay, five go": (
        '{"associations":["out of the blue","out of the blue sky"]}',
        tags(associations=("out of the blue",)),
    ),
    "a hundred characters stay, one more goes": (
        f'{{"associations":["{"a" * 100}","{"b" * 101}"]}}',
        tags(associations=("a" * 100,)),
    ),
    "long only by white space": (f'{{"mood":["calm{" " * 5000}sea"]}}', tags(mood=("calm sea",))),
    "ANSI escapes": ('{"mood":["\\u001b[31mcalm\\u001b[0m","\\u009b1mwild"]}', tags(mood=("calm", "wild"))),
    "terminal title": ('{"mood":["\\u001b]0;evil\\u0007calm"]}', CALM_TAGS),
    "lone surrogate in a tag": ('{"mood":["ca\ud83dlm"]}', CALM_TAGS),
    "bell and NUL": ('{"mood":["ca\\u0007l\\u0000m"]}', CALM_TAGS),
    "direction override and zero width": ('{"mood":["\\u202ecalm","ca\\u200blm","calm\\ufe0f"]}', CALM_TAGS),
    "line separator in a tag": ('{"mood":["sea\\u2028calm"]}', tags(mood=("sea calm",))),
    "attribute words are no mood": ('{"mood":["warm","Dark","cool-warm","very","calm"]}', tags(mood=("very", "calm"))),
    "attribute words within a mood": ('{"mood":["light hearted"]}', tags(mood=("light hearted",))),
    "attribute words as a style": ('{"style":["dark"]}', tags(style=("dark",))),
    "words of a generic kind": (
        '{"style":["gradient","colour palette","Color-Block","nature inspired","retro vibes"],"mood":["calm"]}',
        CALM_TAGS,
    ),
    "generic only as part of a word": (
        '{"associations":["Colorado","hexagon","nicety"]}',
        tags(associations=("colorado", "hexagon", "nicety")),
    ),
    "generic alone, good with another": ('{"style":["design","graphic design"]}', tags(style=("graphic design",))),
    "harmony keeps its list": (
        '{"harmony":["Split Complementary","split_complementary","TRIADIC","golden ratio"]}',
        tags(harmony=("split-complementary", "triadic")),
    ),
    "seasons keep their list": (
        '{"seasonal":["Valentine\\u2019s","st. patrick\'s","Day-of-the-Dead","monsoon","none"]}',
        tags(seasonal=("valentines", "st patricks", "day of the dead")),
    ),
    "free text in a closed field": ('{"mood":["calm"],"contrast":"quite high actually"}', CALM_TAGS),
    "the value of another field": ('{"mood":["calm"],"temperature":"vibrant"}', CALM_TAGS),
    "closed field with two values": ('{"mood":["calm"],"temperature":["warm","cool"]}', CALM_TAGS),
    "closed field with two words for one": ('{"contrast":["strong","high"]}', tags(contrast="high")),
    "cool warm spelled otherwise": ('{"temperature":"Cool Warm"}', tags(temperature="cool-warm")),
    "one closed field is enough": ('{"brightness":"dark"}', tags(brightness="dark")),
}


@pytest.mark.parametrize(("text", "expected"), FIELDS.values(), ids=FIELDS.keys())
def test_the_fields_are_normalised(text: str, expected: Tags) -> None:
    assert parse_answer(text).tags == expected


# Written out, not taken from the vocabulary: a synonym that is lost there must be missed here.
SYNONYMS = {
    "saturation": {
        "vibrant": "high bright vivid saturated intense rich",
        "muted": "low dull desaturated soft pastel subtle",
        "mixed": "moderate medium varied variable",
    },
    "brightness": {
        "light": "bright pale very_light",
        "dark": "dim deep very_dark",
        "medium": "moderate mid average",
        "varied": "mixed variable contrast",
    },
    "temperature": {"cool-warm": "mixed both", "neutral": "balanced grey gray"},
    "contrast": {"high": "strong intense", "medium": "moderate mid", "low": "subtle soft minimal"},
}


@pytest.mark.parametrize(
    ("field", "said", "meant"),
    [
        (field, said.replace("_", " "), meant)
        for field, values in SYNONYMS.items()
        for meant, synonyms in values.items()
        for said in (meant, *synonyms.split())
    ],
)
def test_synonyms_of_closed_fields(field: str, said: str, meant: str) -> None:
    for spelled in (said, f" {said.title()} "):
        assert parse_answer(orjson.dumps({field: spelled}).decode()).tags == tags(**{field: meant})


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
def test_errors_name_their_reason(text: str | None, finish_reason: str | None, code: AnswerError) -> None:
    parsed = parse_answer(text, finish_reason)
    assert parsed.tags is None
    assert parsed.error is not None
    assert parsed.error.partition(": ")[0] == code


@pytest.mark.parametrize(
    "finish_reason",
    [None, "", "stop", "STOP", "end_turn", "stop_sequence", "tool_use", "tool_calls", "function_call", "new"],
)
def test_other_finish_reasons_are_no_obstacle(finish_reason: str | None) -> None:
    assert parse_answer(CALM, finish_reason).tags == CALM_TAGS


def test_a_field_is_bounded() -> None:
    many = [f"tag{number}" for number in range(10_000)]
    parsed = parse_answer(orjson.dumps(dict.fromkeys(vocabulary.FIELDS, many)).decode()).tags
    assert parsed is not None
    assert parsed.mood == tuple(many[:16])
    assert parsed.style == tuple(many[:16])
    assert parsed.associations == tuple(many[:32])


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
def test_a_megabyte_of_garbage_is_done_with_soon(text: str) -> None:
    # It takes a tenth of this; what is quadratic would take hours.
    started = time.perf_counter()
    assert parse_answer(text).tags is None
    assert time.perf_counter() - started < 3


def assert_within_bounds(parsed: Tags) -> None:
    for attribute, values in vocabulary.ATTRIBUTES.items():
        assert getattr(parsed, attribute) in (None, *values)
    assert set(parsed.harmony) <= set(vocabulary.HARMONY)
    assert set(parsed.seasonal) <= set(vocabulary.SEASONAL)
    for field, most in MOST_TAGS.items():
        assert len(getattr(parsed, field)) <= most
    for words in (parsed.mood, parsed.style, parsed.harmony, parsed.seasonal, parsed.associations):
        assert len(set(words)) == len(words)
        for tag in words:
            assert 0 < len(tag) <= LONGEST_TAG
            assert len(tag.split(" ")) <= MOST_WORDS
            assert tag == tag.strip() == tag.lower()
            assert "\x1b" not in tag
            assert not {*'{}[]"<>'} & {*tag}
    assert not {*parsed.mood} & {*vocabulary.NOT_A_MOOD}


def assert_sound(text: str | None, finish_reason: str | None) -> None:
    parsed = parse_answer(text, finish_reason)
    assert (parsed.tags is None) != (parsed.error is None)
    if parsed.tags is not None:
        assert_within_bounds(parsed.tags)
        # What was understood once is understood the same again.
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
def test_what_stands_round_an_object_changes_nothing(answer: dict[str, object], around: str) -> None:
    text = orjson.dumps(answer).decode()
    alone = parse_answer(text)
    if alone.tags is not None and "```" not in text and "<" not in text:
        assert parse_answer(around.replace("{}", text).replace("{{", "{")).tags == alone.tags
