"""Everyday names for the colours of a palette.

The names come from the xkcd colour survey (`xkcd_colours.csv`, CC0), without the crude and unpleasant ones. The file
gives the reason for each name that is not used: brands and characters, misspellings and other spellings of another
name, vague names ("bluish", "tea"), and names of more than two words.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from grabient_pipeline.palette.colour_spaces import srgb_to_oklab

MAX_NAMES = 4
# Plain OkLab distance overrates lightness for naming: a near-black grey would be "dark brown", because the survey has
# few dark greys. People name the hue first.
HUE_WEIGHT = 2
# Distance between two named colours below which a second name is redundant; black to white is 1.
MIN_DISTANCE = 0.1

# Colours per comparison with all names: few enough for the processor's cache and for one thread.
_BATCH = 128


@dataclass(frozen=True, slots=True)
class ColourNames:
    """The names in use, most common first, and their points (names, 3) in OkLab with hue weighted."""

    names: tuple[str, ...]
    points: NDArray[np.float64]


@cache
def known_colours() -> ColourNames:
    """Return the names that palettes are given."""
    used = {row["name"]: row["hex"] for row in _survey() if not row["left_out"]}
    rgb = np.array([list(bytes.fromhex(code[1:])) for code in used.values()], dtype=np.uint8)
    return ColourNames(tuple(used), _weighted(srgb_to_oklab(rgb)))


def known_colour_values() -> dict[str, str]:
    """Return the hex code of every name that identifies a colour, most common first.

    This includes other spellings and long names, which no palette is given but people may search for.
    """
    return {row["name"]: row["hex"] for row in _survey() if row["left_out"] != "says little"}


def colour_names(oklab: NDArray[np.float64]) -> list[list[str]]:
    """Return up to four names per palette, in the order of the gradient, for palettes in OkLab (n, steps, 3).

    Every colour gets the name of the nearest known one. The two names farthest apart are kept first, then repeatedly
    the name farthest from those kept, as long as it is far enough. A repeated name keeps its first position.
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
    # |x - y|² is smallest where x·y - |y|²/2 is largest: one matrix product per batch.
    weights = np.vstack([known.T, -(known**2).sum(axis=1) / 2])
    extended = np.hstack([colours, np.ones((len(colours), 1))])
    found = np.empty(len(colours), dtype=np.intp)
    for start in range(0, len(colours), _BATCH):
        found[start : start + _BATCH] = (extended[start : start + _BATCH] @ weights).argmax(axis=1)
    return found


def _farthest_apart(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of the points (n, steps, 3) to keep in each row."""
    rows = np.arange(len(points))
    steps = points.shape[1]
    squared = np.square(points[:, :, np.newaxis] - points[:, np.newaxis]).sum(axis=-1)

    kept = np.zeros(points.shape[:2], dtype=np.bool_)
    # The first of the farthest pair; if all points are equal, the first of all.
    first = squared.reshape(len(points), -1).argmax(axis=1) // steps
    kept[rows, first] = True
    distance = squared[rows, first]
    for _ in range(MAX_NAMES - 1):
        farthest = distance.argmax(axis=1)
        kept[rows, farthest] |= distance[rows, farthest] >= MIN_DISTANCE**2
        distance = np.minimum(distance, squared[rows, farthest])
    return kept
