"""The embed text: measured values, then tags; at most 120 distinct words, and only complete tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_pipeline.tagging import Measured, compose_embed_text
from grabient_pipeline.tagging import vocabulary as words
from grabient_pipeline.tagging.embed_text import MOST_WORDS

DUSK = Measured("warm", "high", "dark", "muted", ["analogous"], ["dark red", "burnt orange"])
TAGS = {
    "mood": ["calm", "wistful"],
    "style": ["art deco"],
    "seasonal": ["late autumn"],
    "associations": ["red brick", "forest floor"],
}


def test_measured_values_come_before_tags():
    assert compose_embed_text(DUSK, TAGS) == (
        "warm high contrast dark muted analogous red burnt orange calm wistful art deco late autumn brick forest floor"
    )


def test_without_tags_there_are_only_measured_values():
    assert compose_embed_text(DUSK, None) == "warm high contrast dark muted analogous red burnt orange"


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (
            Measured("neutral", "medium", "medium", "mixed", [], []),
            "neutral medium contrast brightness mixed saturation",
        ),
        (Measured("cool-warm", "low", "varied", "vibrant", [], []), "cool-warm low contrast varied brightness vibrant"),
        (Measured("cool", "high", "light", "muted", [], []), "cool high contrast light muted"),
    ],
    ids=["ambiguous values get their attribute", "varied", "clear alone"],
)
def test_attributes_in_words(measured, expected):
    assert compose_embed_text(measured, None) == expected


def test_a_tag_that_does_not_fit_is_omitted_and_a_shorter_one_added():
    many = [f"word{number}" for number in range(MOST_WORDS - 10)]
    text = compose_embed_text(DUSK, {"mood": many, "associations": ["far too long", "short"]})
    assert len(text.split()) == MOST_WORDS
    assert text.endswith(" short")
    assert "too" not in text.split()


_TAG = st.lists(st.text("abcd", min_size=1, max_size=2), min_size=1, max_size=4).map(" ".join)
_FIELDS = st.fixed_dictionaries(
    {field: st.lists(_TAG, max_size=60) for field in ("mood", "style", "seasonal", "associations")}
)
_MEASURED = st.builds(
    Measured,
    st.sampled_from(words.TEMPERATURE),
    st.sampled_from(words.CONTRAST),
    st.sampled_from(words.BRIGHTNESS),
    st.sampled_from(words.SATURATION),
    st.lists(st.sampled_from(words.HARMONY), max_size=3),
    st.lists(_TAG, max_size=4),
)


@given(_MEASURED, _FIELDS)
def test_the_bounds_hold_for_any_input(measured, tags):
    text = compose_embed_text(measured, tags).split(" ")
    assert 0 < len(text) <= MOST_WORDS
    assert len(set(text)) == len(text)
    # Below the limit nothing is omitted.
    wanted = {word for field in tags.values() for tag in field for word in tag.split()}
    if len(text) < MOST_WORDS - 3:
        assert wanted <= set(text)
