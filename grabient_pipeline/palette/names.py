"""Names for the colours of a palette: what people would call them.

The names are those of the xkcd colour survey (`xkcd_colours.csv`, CC0) without the crude and unpleasant ones. Left out,
each with its reason in the file: brands and characters, misspellings and other spellings of a name that is there, what
says little ("bluish", "tea"), and what is longer than two words.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from grabient_pipeline.palette.colour_spaces import srgb_to_oklab

MAX_NAMES = 4
# Plain OkLab distance makes lightness count for too much among names: a near-black grey would be "dark brown", since
# the survey has few dark greys. People name hue first.
HUE_WEIGHT = 2
# Distance between two named colours below which a second name tells nothing new; black to white is 1.
MIN_DISTANCE = 0.1

# Colours compared with all names at a time: few enough for the processor's cache and for one thread.
_BATCH = 128


@dataclass(frozen=True, slots=True)
class ColourNames:
    """The names in use, most common first, and where they stand (names, 3) in OkLab with hue weighted."""

    names: tuple[str, ...]
    points: NDArray[np.float64]


@cache
def known_colours() -> ColourNames:
    used = {row["name"]: row["hex"] for row in _survey() if not row["left_out"]}
    rgb = np.array([list(bytes.fromhex(code[1:])) for code in used.values()], dtype=np.uint8)
    return ColourNames(tuple(used), _weighted(srgb_to_oklab(rgb)))


def known_colour_values() -> dict[str, str]:
    """The hex code of every name that says which colour is meant, most common first.

    Also other spellings and long names, which no palette is given: people may well ask for them.
    """
    return {row["name"]: row["hex"] for row in _survey() if row["left_out"] != "says little"}


def colour_names(oklab: NDArray[np.float64]) -> list[list[str]]:
    """At most four names a palette, in the order of the gradient, for palettes in OkLab (n, steps, 3).

    Every colour is named after the nearest known one. The two names farthest apart are kept first, then the
    one farthest from those kept, as long as it is far enough. A name that comes more than once stands where
    it first came.
    """
    known = known_colours()
    nearest = _nearest(_weighted(oklab).reshape(-1, 3), known.points).reshape(oklab.shape[0], -1)
    kept = _farthest_apart(known.points[nearest])
    nearest_rows: list[list[int]] = nearest.tolist()
    kept_rows: list[list[bool]] = kept.tolist()
    return [
        [known.names[index] for index, keep in zip(indices, flags, strict=True) if keep]
        for indices, flags in zip(nearest_rows, kept_rows, strict=True)
    ]


@cache
def _survey() -> tuple[dict[str, str], ...]:
    text = files("grabient_pipeline.palette").joinpath("xkcd_colours.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def _weighted(oklab: NDArray[np.float64]) -> NDArray[np.float64]:
    return oklab * (1, HUE_WEIGHT, HUE_WEIGHT)


def _nearest(colours: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.intp]:
    # |x - y|² is smallest where x·y - |y|²/2 is largest: one matrix product a batch.
    weights = np.vstack([known.T, -(known**2).sum(axis=1) / 2])
    extended = np.hstack([colours, np.ones((len(colours), 1))])
    found = np.empty(len(colours), dtype=np.intp)
    for start in range(0, len(colours), _BATCH):
        found[start : start + _BATCH] = (extended[start : start + _BATCH] @ weights).argmax(axis=1)
    return found


def _farthest_apart(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points (n, steps, 3) to keep, in each row."""
    rows = np.arange(len(points))
    steps = points.shape[1]
    squared = np.square(points[:, :, np.newaxis] - points[:, np.newaxis]).sum(axis=-1)

    kept = np.zeros(points.shape[:2], dtype=np.bool_)
    # The first of the farthest pair; where all are the same point, the first of all.
    first = squared.reshape(len(points), -1).argmax(axis=1) // steps
    kept[rows, first] = True
    distance = squared[rows, first]
    for _ in range(MAX_NAMES - 1):
        farthest = distance.argmax(axis=1)
        kept[rows, farthest] |= distance[rows, farthest] >= MIN_DISTANCE**2
        distance = np.minimum(distance, squared[rows, farthest])
    return kept
