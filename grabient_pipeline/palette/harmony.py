"""The classical harmonies of a palette.

Five samples of the palette are grouped by hue, without the achromatic ones. The hue distances of the groups decide.
"""

import numpy as np
from numpy.typing import NDArray

HARMONIES = (
    "achromatic",
    "monochromatic",
    "complementary",
    "analogous",
    "triadic",
    "split-complementary",
    "tetradic",
)
MAX_HARMONIES = 3

# OkLCh chroma up to which a colour counts as achromatic.
ACHROMATIC_CHROMA = 0.02
# Degrees of hue.
CLUSTER_REACH = 25
MONOCHROMATIC_REACH = 15
COMPLEMENTARY_FROM = 160
ANALOGOUS_FROM = 25
ANALOGOUS_TO = 90
TOLERANCE = 20

_PLACES = {
    "triadic": (120, 240),
    "split-complementary": (150, 210),
    "tetradic": (90, 180, 270),
}


def harmonies(oklch: NDArray[np.float64]) -> list[list[str]]:
    """Return up to three harmonies per palette, possibly none, for palettes in OkLCh (n, steps, 3).

    A palette without a chromatic sample is `achromatic`.
    """
    hues, present = _hue_groups(oklch)
    count = present.sum(axis=1)

    first, second = np.triu_indices(hues.shape[1], k=1)
    both = present[:, first] & present[:, second]
    distances = np.where(both, _hue_distance(hues[:, first], hues[:, second]), 0)
    widest = distances.max(axis=1)

    achromatic = count == 0
    monochromatic = ~achromatic & ((count == 1) | (widest <= MONOCHROMATIC_REACH))
    several = ~achromatic & ~monochromatic
    found = {
        "achromatic": achromatic,
        "monochromatic": monochromatic,
        # No distance exceeds 180.
        "complementary": several & (distances >= COMPLEMENTARY_FROM).any(axis=1),
        "analogous": several & (widest >= ANALOGOUS_FROM) & (widest <= ANALOGOUS_TO),
    }
    for name, places in _PLACES.items():
        found[name] = several & _has_groups_at(hues, present, places)

    flags = np.stack([found[name] for name in HARMONIES], axis=1)
    # Palettes share few combinations, so each is converted to names once.
    combinations, which = np.unique(flags, axis=0, return_inverse=True)
    names = [
        [name for name, holds in zip(HARMONIES, row, strict=True) if holds][:MAX_HARMONIES] for row in combinations
    ]
    return [list(names[index]) for index in which.ravel()]


def _hue_groups(oklch: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the hues of the groups (n, 5), most chroma first, and which of the five columns hold a group."""
    steps = oklch.shape[1]
    samples = oklch[:, [0, steps // 4, steps // 2, 3 * steps // 4, steps - 1]]
    chroma, hue = samples[..., 1], samples[..., 2]
    x, y = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))

    unused = chroma > ACHROMATIC_CHROMA
    hues = np.zeros_like(hue)
    weights = np.full_like(hue, -1)
    for sample in range(hue.shape[1]):
        leads = unused[:, sample]
        # Earlier samples are used or dropped, so a near and unused sample comes later.
        near = _hue_distance(hue, hue[:, [sample]]) <= CLUSTER_REACH
        members = leads[:, np.newaxis] & unused & near
        mean = np.arctan2((y * members).sum(axis=1), (x * members).sum(axis=1))
        hues[:, sample] = np.degrees(mean) % 360
        weights[:, sample] = np.where(leads, (chroma * members).sum(axis=1), -1)
        unused = unused & ~members

    order = np.argsort(-weights, axis=1, kind="stable")
    return np.take_along_axis(hues, order, axis=1), np.take_along_axis(weights, order, axis=1) > 0


def _has_groups_at(hues: NDArray[np.float64], present: NDArray[np.bool_], places: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where groups are near all the given angles from the first; the angles are too far apart to share one."""
    holds = np.ones(len(hues), dtype=np.bool_)
    for place in places:
        near = _hue_distance(hues[:, 1:], hues[:, [0]] + place) <= TOLERANCE
        holds &= (near & present[:, 1:]).any(axis=1)
    return holds


def _hue_distance(hues: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs((hues - others + 180) % 360 - 180)
