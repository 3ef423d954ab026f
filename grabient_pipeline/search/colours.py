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
from grabient_pipeline.search.words import words_of

Floats = NDArray[np.float32]

# Three digits or six, with an opacity or without, behind a `#`; or without it, what can hardly be anything else.
_MARKED: Final = re.compile(r"#([0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})(?![0-9a-z])", re.IGNORECASE)
_BARE: Final = re.compile(r"(?<![0-9a-z#])([0-9a-f]{6}|(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{3})(?![0-9a-z])", re.I)
_WORDS_OF_HEX_DIGITS: Final = ("accede", "beaded", "beefed", "dabbed", "decade", "deface", "efface", "facade")

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
        for length in (2, 1):
            name = " ".join(words[place : place + length])
            if len(words) >= place + length and name in known:
                surely = not terms.isdisjoint(name.split())
                colours[name] = QueryColour(name, known[name], by_name=True, surely=surely)
                place += length
                break
        else:
            place += 1
    return list(colours.values())


def distances(palettes: Floats, colour: QueryColour) -> Floats:
    """OkLab distances from a colour to palettes (n, steps, 3): (n, steps); black to white is 1."""
    # |x - y|² spelled out: one pass for each axis, without an array of all differences.
    squared = np.zeros(palettes.shape[:2], dtype=np.float32)
    for axis, value in enumerate(colour.oklab):
        difference = palettes[:, :, axis] - np.float32(value)
        difference *= difference
        squared += difference
    return np.sqrt(squared, out=squared)


@cache
def _known_names() -> dict[str, tuple[float, float, float]]:
    return {" ".join(words_of(name)): _oklab(code) for name, code in known_colour_values().items()}


def _oklab(code: str) -> tuple[float, float, float]:
    lightness, a, b = srgb_to_oklab(np.array(list(bytes.fromhex(code[1:])), dtype=np.uint8)).tolist()
    return lightness, a, b
