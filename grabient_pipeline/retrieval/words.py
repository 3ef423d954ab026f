"""Normalises the words of queries and tags, so that spelling and inflection do not matter.

Colours are found by `colours.py`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, Protocol, cast

import snowballstemmer  # pyright: ignore[reportMissingTypeStubs]

from grabient_pipeline.tagging import vocabulary

_WORD: Final = re.compile(r"[^\W_]+")
_APOSTROPHES: Final = re.compile(r"['’‘ʼ]")

# Words that people type, and the form that tags use: first spellings, then synonyms.
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

# They occur in any sentence, or apply to every palette.
_FILLERS: Final = """
    a an and are as at by for from has have i in into is it its like me my of on or our shown some something that the
    their them these this those to very want with without you your
    hue hues shade shades tint tints tone tones toned
"""
_STOP_WORDS: Final = frozenset((*_FILLERS.split(), *vocabulary.GENERIC_WORDS, *vocabulary.GENERIC_SPELLINGS))


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...  # noqa: N802  # the stemmer's own name


_STEMMER = cast("_Stemmer", snowballstemmer.stemmer("english"))  # pyright: ignore[reportUnknownMemberType]


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words in their normal spelling; punctuation is dropped."""
    plain = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", text).casefold())
    found: list[str] = _WORD.findall(plain)
    return [part for word in found for part in _VARIANTS.get(word, word).split()]


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """Reduce a word to its stem: "forests" to "forest", "snowy" to "snow"."""
    stemmed = _STEMMER.stemWord(word)
    return stemmed[:-1] if stemmed.endswith("i") and len(stemmed) > 4 else stemmed


def content_words(text: str) -> list[str]:
    """Return the words of a text, in order, without stop words and words that apply to every palette."""
    return [word for word in split_words(text) if word not in _STOP_WORDS]


def stem_words(text: str) -> tuple[str, ...]:
    """Return the stems of the content words of a text."""
    return tuple(stem(word) for word in content_words(text))
