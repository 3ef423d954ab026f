"""The prompt and context of a refining model, and the parsing of its answer."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_pipeline.tagging import (
    REFINEMENT_PROMPT,
    TAGGING_PROMPT,
    consensus_text,
    parse_refinement,
    refinement_message,
    vocabulary,
)
from grabient_pipeline.tagging.refinement import COUNTS, MAX_COUNTED_TAGS
from grabient_pipeline.tagging.schema import REFINED_FIELDS, refinement_schema
from grabient_pipeline_tests.tagging.test_prompts import strict_mode_faults

ENTRY = {"tag": "calm", "answers": 42, "models": ["a/b", "c/d"], "votes": 1.5, "share": 0.75}


def counts(**fields):
    return {field: fields.get(field, []) for field in vocabulary.FIELDS}


def test_the_format_of_the_counted_tags():
    shown = orjson.loads(consensus_text(10, 80, counts(mood=[ENTRY])))
    assert list(shown) == ["models", "answers", *vocabulary.FIELDS]
    assert (shown["models"], shown["answers"], shown["mood"], shown["style"]) == (10, 80, [["calm", 42, 2]], [])


def test_a_long_tail_is_cut():
    shown = orjson.loads(consensus_text(10, 80, counts(associations=[ENTRY] * 500)))
    assert len(shown["associations"]) == MAX_COUNTED_TAGS["associations"]


def test_the_message_contains_both_unchanged():
    message = refinement_message('{"hex":["{consensus}"]}', '{"mood":[["{colour_data}",1,1]]}')
    assert '{"hex":["{consensus}"]}' in message
    assert message.endswith('{"mood":[["{colour_data}",1,1]]}')


def test_the_prompt_has_the_counts_and_lists():
    for field, (least, most) in COUNTS.items():
        assert f"{field}: {least} to {most} " in REFINEMENT_PROMPT.system
    for word in (*vocabulary.HARMONY, *vocabulary.SEASONAL, *vocabulary.GENERIC_WORDS):
        assert word in REFINEMENT_PROMPT.system
    assert "{{" not in REFINEMENT_PROMPT.system


def test_the_stages_have_different_versions():
    assert REFINEMENT_PROMPT.version != TAGGING_PROMPT.version


def test_the_schema_is_valid_in_strict_mode():
    schema = refinement_schema(COUNTS)
    assert strict_mode_faults(schema) == []
    assert tuple(schema["properties"]) == REFINED_FIELDS == ("mood", "style", "harmony", "seasonal", "associations")


def answer(**fields):
    return orjson.dumps({"mood": ["calm"], "style": [], "harmony": [], "seasonal": [], "associations": [], **fields})


def test_an_answer_is_read_by_the_tagging_parser():
    parsed = parse_refinement(
        "```json\n" + answer(mood=["Calm", "warm"], harmony=["Split Complementary", "rainbow"]).decode() + "\n```",
        "stop",
    )
    assert parsed.error is None
    assert parsed.tags is not None
    assert parsed.tags.mood == ("calm",)
    assert parsed.tags.harmony == ("split-complementary",)


def test_surplus_tags_are_cut_from_the_end():
    parsed = parse_refinement(
        answer(associations=[f"thing {n}" for n in range(30)], seasonal=list(vocabulary.SEASONAL)).decode()
    )
    assert parsed.tags is not None
    assert parsed.tags.associations == tuple(f"thing {n}" for n in range(20))
    assert parsed.tags.seasonal == vocabulary.SEASONAL[:3]


def test_attributes_in_the_answer_are_ignored():
    parsed = parse_refinement(answer(temperature="cool").decode())
    assert parsed.tags is not None
    assert parsed.tags.temperature is None


@pytest.mark.parametrize(
    ("text", "finish_reason", "code"),
    [
        ('{"temperature":"cool"}', "stop", "empty"),
        ("{}", "stop", "empty"),
        ('{"mood":["calm"]', "length", "truncated"),
        ("I'm sorry, I can't help with that.", "stop", "refused"),
        (None, "stop", "no_text"),
    ],
    ids=["attributes only", "empty", "cut off", "declined", "nothing"],
)
def test_unusable_answers_give_the_reason(text, finish_reason, code):
    parsed = parse_refinement(text, finish_reason)
    assert parsed.tags is None
    assert parsed.error is not None
    assert parsed.error.startswith(f"{code}: ")


@given(st.text() | st.none(), st.text() | st.none())
def test_no_input_raises(text, finish_reason):
    parsed = parse_refinement(text, finish_reason)
    assert (parsed.tags is None) != (parsed.error is None)
