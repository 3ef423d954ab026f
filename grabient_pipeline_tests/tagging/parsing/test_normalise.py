"""The fields of an object become tags: known words in one spelling, without duplicates, within bounds."""

from __future__ import annotations

import orjson
import pytest

from grabient_pipeline.tagging import Tags, parse_answer, vocabulary
from grabient_pipeline_tests.tagging.parsing.samples import CALM_TAGS, tags

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


# Written out, so that a synonym lost from the vocabulary fails the test.
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


def test_a_field_is_bounded() -> None:
    many = [f"tag{number}" for number in range(10_000)]
    parsed = parse_answer(orjson.dumps(dict.fromkeys(vocabulary.FIELDS, many)).decode()).tags
    assert parsed is not None
    assert parsed.mood == tuple(many[:16])
    assert parsed.style == tuple(many[:16])
    assert parsed.associations == tuple(many[:32])
