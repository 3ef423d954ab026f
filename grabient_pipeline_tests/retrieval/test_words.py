"""Queries and tags are normalised to the same form."""

from __future__ import annotations

import pytest

from grabient_pipeline.retrieval.words import content_words, split_words, stem_words
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
def test_variants_have_the_same_stem(one: str, other: str) -> None:
    assert stem_words(one) == stem_words(other) != ()


@pytest.mark.parametrize(("one", "other"), [("minimal", "minimalist"), ("leaf", "lead"), ("wine", "winter")])
def test_different_words_have_different_stems(one: str, other: str) -> None:
    assert stem_words(one) != stem_words(other)


def test_words_true_of_every_palette_are_dropped() -> None:
    assert content_words("A palette with the colours of a forest, please") == ["forest", "please"]
    assert not [word for word in GENERIC_WORDS if content_words(word)]


def test_punctuation_is_dropped() -> None:
    assert split_words(" ?!… ;-- __ \x00\n") == []
    assert split_words("日本 снег") == ["日本", "снег"]
