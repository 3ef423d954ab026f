"""The colours of a query, by hex code or by name, and how much of a palette is near them."""

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
from grabient_pipeline.retrieval.words import words_of

Floats = NDArray[np.float32]

# Three digits or six, with an opacity or without, behind a `#`; or without it, what can hardly be anything else.
_MARKED: Final = re.compile(r"#([0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})(?![0-9a-z])", re.IGNORECASE)
_BARE: Final = re.compile(r"(?<![0-9a-z#])([0-9a-f]{6}|(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{3})(?![0-9a-z])", re.I)
_WORDS_OF_HEX_DIGITS: Final = ("accede", "beaded", "beefed", "dabbed", "decade", "deface", "efface", "facade")

# Of words, as in "light greenish blue".
_LONGEST_NAME: Final = 4

# Palettes at a time: what is computed of them stays in the processor's cache.
_BLOCK: Final = 8192

# More in one query are noise, and each costs time.
MOST_COLOURS: Final = 8

# Said of a palette, these are colours. Other names of the list ("forest", "wine") are things first.
_COLOUR_TERMS: Final = """
    aqua aquamarine azure beige black blue brown burgundy cerulean chartreuse cobalt crimson cyan ecru fuchsia gold
    golden green grey indigo khaki lavender lilac magenta maroon mauve navy ochre olive orange periwinkle pink puce
    purple red scarlet sienna silver tan taupe teal turquoise ultramarine umber violet white yellow
"""


@dataclass(frozen=True, slots=True)
class QueryColour:
    """A colour that a query asks for: how it is said there, and where it is in OkLab.

    `by_name`: a word means a region, a hex code a point. `surely`: False for the name of a thing.
    """

    said: str
    oklab: tuple[float, float, float]
    by_name: bool
    surely: bool


def without_hex_codes(text: str) -> tuple[str, list[QueryColour]]:
    """The hex codes of a query as colours, and the text without them."""
    colours: dict[str, QueryColour] = {}

    def take(found: re.Match[str]) -> str:
        digits = found[1].lower()
        if digits in _WORDS_OF_HEX_DIGITS:
            return found[0]
        if len(digits) < 6:
            digits = "".join(2 * digit for digit in digits)
        said = f"#{digits[:6]}"
        colours[said] = QueryColour(said, _oklab(said), by_name=False, surely=True)
        return " "

    return _BARE.sub(take, _MARKED.sub(take, text)), list(colours.values())


def named_colours(words: Sequence[str]) -> list[QueryColour]:
    """The colour names among the words of a query, longest first: "dark red" is one colour and not two."""
    known, terms = _known_names(), set(_COLOUR_TERMS.split())
    colours: dict[str, QueryColour] = {}
    place = 0
    while place < len(words):
        for length in range(_LONGEST_NAME, 0, -1):
            name = " ".join(words[place : place + length])
            if len(words) >= place + length and name in known:
                surely = not terms.isdisjoint(name.split())
                colours[name] = QueryColour(name, known[name], by_name=True, surely=surely)
                place += length
                break
        else:
            place += 1
    return list(colours.values())


def nearness(palettes: Floats, colour: QueryColour, width: float) -> tuple[Floats, Floats]:
    """How much of each palette is near a colour, and the OkLab distance (black to white is 1) of its nearest colour.

    Args:
        palettes: OkLab, (3, steps, n): an axis of the space at a time, which is several times as fast.
        width: the distance at which a colour counts 1/e.

    Returns:
        (n,) each. The first is the average of exp(-(distance / width)²) over the steps.
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
    """The squares of the OkLab distances from a colour to palettes (3, steps, n): (steps, n)."""
    total = np.zeros(palettes.shape[1:], dtype=np.float32)
    for axis, value in zip(palettes, colour.oklab, strict=True):
        difference = axis - np.float32(value)
        difference *= difference
        total += difference
    return total


@cache
def _known_names() -> dict[str, tuple[float, float, float]]:
    return {" ".join(words_of(name)): _oklab(code) for name, code in known_colour_values().items()}


def _oklab(code: str) -> tuple[float, float, float]:
    lightness, a, b = srgb_to_oklab(np.array(list(bytes.fromhex(code[1:])), dtype=np.uint8)).tolist()
    return lightness, a, b
