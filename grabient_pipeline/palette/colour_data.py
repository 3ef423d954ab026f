"""The colour data of a palette: the JSON object that a model gets instead of a picture."""

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

COLOUR_DATA_FORMAT = (
    "colour data 1: a JSON object without white space; 11 colours from left to right in each of"
    ' hex ["#rrggbb"], rgb [[r,g,b]] 0-255, hsl [[degrees,percent,percent]],'
    " lch [[L 0-100,C,h degrees]] (CIE, D65); colorNames: up to 4 names in the same order"
)
"""The format in words. It is part of a prompt's version: change it whenever the bytes change."""


def colour_data(
    hexes: Sequence[Sequence[str]],
    rgb: NDArray[np.uint8],
    hsl: NDArray[np.int16],
    lch: NDArray[np.int16],
    names: Sequence[Sequence[str]],
) -> list[bytes]:
    """Return one JSON object per palette, as bytes; the arrays are (n, 11, 3)."""
    return [
        _json({"hex": row[0], "rgb": row[1], "hsl": row[2], "lch": row[3], "colorNames": row[4]})
        for row in zip(hexes, rgb, hsl, lch, names, strict=True)
    ]


def _json(value: dict[str, object]) -> bytes:
    # Copied, because orjson keeps a buffer of several times the size behind its result.
    return bytes(memoryview(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)))
