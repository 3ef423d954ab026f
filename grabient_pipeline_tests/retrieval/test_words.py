"""What a query says comes to the same form as what a tag says."""

from __future__ import annotations

import pytest

from grabient_pipeline.retrieval.words import stems_of, telling_words, words_of
from grabient_pipeline.tagging.vocabulary import GENERIC_WORDS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("forest", "forests"),
        ("berry", "berries"),
        ("leaf", "leaves"),
        ("autumn", "autumnal"),
        ("autumn", "Fall"),
        ("snow", "snowy"),
        ("rust", "rusty"),
        ("grey", "gray"),
        ("cosy", "cozy"),
        ("valentines", "Valentine's"),
        ("valentine", "valentine’s"),
        ("mid century", "mid-century"),
        ("split-complementary", "split complementary"),
        ("day of the dead", "Day Dead"),
        ("seventies", "70s"),
        ("seventies", "1970s"),
        ("café", "CAFE\u0301"),
        ("ｔｅａｌ", "teal"),
    ],
)
def test_variants_of_a_word_are_one(one: str, other: str) -> None:
    assert stems_of(one) == stems_of(other) != ()


@pytest.mark.parametrize(("one", "other"), [("minimal", "minimalist"), ("leaf", "lead"), ("wine", "winter")])
def test_different_words_stay_apart(one: str, other: str) -> None:
    assert stems_of(one) != stems_of(other)


def test_what_is_true_of_every_palette_tells_nothing() -> None:
    assert telling_words("A palette with the colours of a forest, please") == ["forest", "please"]
    assert not [word for word in GENERIC_WORDS if telling_words(word)]


def test_what_is_no_word_is_none() -> None:
    assert words_of(" ?!… ;-- __ \x00\n") == []
    assert words_of("日本 снег") == ["日本", "снег"]
