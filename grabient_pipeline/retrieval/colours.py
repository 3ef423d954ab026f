"""Finds hex codes and colour names in a query, and measures how much of a palette is near a colour.

The other words of a query belong to `words.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from grabient_pipeline.palette.colour_spaces import srgb_to_oklab
from grabient_pipeline.palette.names import known_colour_values
from grabient_pipeline.retrieval.words import split_words

Floats = NDArray[np.float32]

# With `#`: three or six digits, plus optional opacity. Without it: only what is unlikely to be a word or a number.
_MARKED: Final = re.compile(r"#([0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})(?![0-9a-z])", re.IGNORECASE)
_BARE: Final = re.compile(r"(?<![0-9a-z#])([0-9a-f]{6}|(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{3})(?![0-9a-z])", re.I)
_WORDS_OF_HEX_DIGITS: Final = ("accede", "beaded", "beefed", "dabbed", "decade", "deface", "efface", "facade")

# In words, as in "light greenish blue".
_MAX_NAME_WORDS: Final = 4

# Palettes per block: the arrays of a block fit into the processor's cache.
_BLOCK: Final = 8192

# Each colour takes time, and more than this in one query are noise.
MAX_COLOURS: Final = 8

# Words that mean a colour when they describe a palette. Other colour names ("forest", "wine") mean an object first.
_COLOUR_TERMS: Final = """
    aqua aquamarine azure beige black blue brown burgundy cerulean chartreuse cobalt crimson cyan ecru fuchsia gold
    golden green grey indigo khaki lavender lilac magenta maroon mauve navy ochre olive orange periwinkle pink puce
    purple red scarlet sienna silver tan taupe teal turquoise ultramarine umber violet white yellow
"""


@dataclass(frozen=True, slots=True)
class QueryColour:
    """A colour in a query.

    Attributes:
        label: The hex code or the name.
        oklab: Its coordinates.
        by_name: Whether it was named. A name means a region of colours, a hex code a single one.
        certain: False for the name of an object, such as "wine", which may not be meant as a colour.
    """

    label: str
    oklab: tuple[float, float, float]
    by_name: bool
    certain: bool


def extract_hex_codes(text: str) -> tuple[str, list[QueryColour]]:
    """Return the query without its hex codes, and the codes as colours without duplicates."""
    colours: dict[str, QueryColour] = {}

    def extract(match: re.Match[str]) -> str:
        digits = match[1].lower()
        if digits in _WORDS_OF_HEX_DIGITS:
            return match[0]
        if len(digits) < 6:
            digits = "".join(2 * digit for digit in digits)
        code = f"#{digits[:6]}"
        colours[code] = QueryColour(code, _oklab(code), by_name=False, certain=True)
        return " "

    return _BARE.sub(extract, _MARKED.sub(extract, text)), list(colours.values())


def find_named_colours(words: Sequence[str]) -> list[QueryColour]:
    """Find the colour names among the words of a query. The longest match wins: "dark red" is one colour, not two."""
    known, terms = _known_names(), set(_COLOUR_TERMS.split())
    colours: dict[str, QueryColour] = {}
    place = 0
    while place < len(words):
        for length in range(_MAX_NAME_WORDS, 0, -1):
            name = " ".join(words[place : place + length])
            if len(words) >= place + length and name in known:
                certain = not terms.isdisjoint(name.split())
                colours[name] = QueryColour(name, known[name], by_name=True, certain=certain)
                place += length
                break
        else:
            place += 1
    return list(colours.values())


def nearness(palettes: Floats, colour: QueryColour, width: float) -> tuple[Floats, Floats]:
    """Compute how much of each palette is near a colour, and the distance of its nearest colour.

    Distances are in OkLab, where black and white are 1 apart.

    Args:
        palettes: OkLab coordinates, (3, steps, n). One contiguous array per axis is several times as fast.
        colour: The colour to compare with.
        width: The distance at which a colour counts 1/e.

    Returns:
        Two arrays (n,): the mean of exp(-(distance / width)²) over the steps, and the smallest distance.
    """
    share, nearest = np.empty((2, palettes.shape[2]), dtype=np.float32)
    for start in range(0, palettes.shape[2], _BLOCK):
        block = slice(start, start + _BLOCK)
        squared = squared_distances(palettes[:, :, block], colour)
        nearest[block] = squared.min(axis=0)
        squared *= np.float32(-1 / width**2)
        share[block] = np.exp(squared, out=squared).mean(axis=0)
    return share, np.sqrt(nearest, out=nearest)


def squared_distances(palettes: Floats, colour: QueryColour) -> Floats:
    """Compute squared OkLab distances (steps, n) between a colour and palettes (3, steps, n)."""
    total = np.zeros(palettes.shape[1:], dtype=np.float32)
    for axis, value in zip(palettes, colour.oklab, strict=True):
        difference = axis - np.float32(value)
        difference *= difference
        total += difference
    return total


@cache
def _known_names() -> dict[str, tuple[float, float, float]]:
    return {" ".join(split_words(name)): _oklab(code) for name, code in known_colour_values().items()}


def _oklab(code: str) -> tuple[float, float, float]:
    lightness, a, b = srgb_to_oklab(np.array(list(bytes.fromhex(code[1:])), dtype=np.uint8)).tolist()
    return lightness, a, b
