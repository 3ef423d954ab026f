"""Words as search compares them: a query's and a tag's come to the same form, however they are spelt or inflected."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, Protocol, cast

import snowballstemmer  # pyright: ignore[reportMissingTypeStubs]

from grabient_pipeline.tagging import vocabulary

_WORD: Final = re.compile(r"[^\W_]+")
_APOSTROPHES: Final = re.compile(r"['’‘ʼ]")

# What people type and tags do not say. Spelling first, then other words for the same.
_VARIANTS: Final[dict[str, str]] = {
    "gray": "grey",
    "grayish": "greyish",
    "cosy": "cozy",
    "mould": "mold",
    "jewellery": "jewelry",
    "watercolour": "watercolor",
    "fall": "autumn",
    "xmas": "christmas",
    "monochrome": "monochromatic",
    "midcentury": "mid century",
    "artdeco": "art deco",
    "leaves": "leaf",
    **{
        spelling: decade
        for digit, decade in {
            "2": "twenties",
            "3": "thirties",
            "4": "forties",
            "5": "fifties",
            "6": "sixties",
            "7": "seventies",
            "8": "eighties",
            "9": "nineties",
        }.items()
        for spelling in (f"{digit}0s", f"19{digit}0s")
    },
}

# They are in every sentence, or true of every palette.
_FILLERS: Final = """
    a an and are as at by for from has have i in into is it its like me my of on or our shown some something that the
    their them these this those to very want with without you your
    hue hues shade shades tint tints tone tones toned
"""
_SAY_NOTHING: Final = frozenset((*_FILLERS.split(), *vocabulary.GENERIC_WORDS, *vocabulary.GENERIC_SPELLINGS))


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...


_STEMMER = cast("_Stemmer", snowballstemmer.stemmer("english"))  # pyright: ignore[reportUnknownMemberType]


def words_of(text: str) -> list[str]:
    """The words of a text, lower-cased, in the usual spelling; nothing else that is in it."""
    plain = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", text).casefold())
    found: list[str] = _WORD.findall(plain)
    return [part for word in found for part in _VARIANTS.get(word, word).split()]


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """The part of a word that its inflections share: that of "forests" is "forest", that of "snowy" is "snow"."""
    stemmed = _STEMMER.stemWord(word)
    return stemmed[:-1] if stemmed.endswith("i") and len(stemmed) > 4 else stemmed


def telling_words(text: str) -> list[str]:
    """The words of a text that tell palettes apart, in their order."""
    return [word for word in words_of(text) if word not in _SAY_NOTHING]


def stems_of(text: str) -> tuple[str, ...]:
    """The stems of those."""
    return tuple(stem(word) for word in telling_words(text))
