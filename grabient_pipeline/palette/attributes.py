"""The four measured attributes: temperature, contrast, brightness, saturation.

Their values and every boundary are defined only here. `ATTRIBUTE_DEFINITIONS` describes in words, from the same
constants, what the functions below measure, so a model is asked exactly what its answer is checked against. They are
measured on the numbers that a model sees: the integer L of LCH and S of HSL.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Differences of LCH lightness (0 to 100) between the lightest and the darkest colour.
CONTRAST_LOW_BELOW = 25
CONTRAST_HIGH_ABOVE = 50

# LCH lightness.
DARK_BELOW = 35
LIGHT_ABOVE = 65

# HSL saturation in percent; "most" is more than half of the colours.
VIBRANT_ABOVE = 50
MUTED_BELOW = 40

# OkLCh hues in degrees. sRGB red is at 29, yellow at 110, green at 142, blue at 264, magenta at 328. Hues between warm
# and cool on either side (yellow-greens; purples and magentas) belong as much to one as to the other, so they count
# half to each, and every palette gets a value.
WARM_FROM = 345
WARM_TO = 115
COOL_FROM = 135
COOL_TO = 315
# The smaller of the two shares of chroma must be at least this much for the palette to be both.
REAL_SHARE = 0.25
# Mean OkLCh chroma; sRGB red has 0.258, slate grey 0.03.
NEUTRAL_CHROMA_BELOW = 0.02


ATTRIBUTE_DEFINITIONS: dict[str, dict[str, str]] = {
    "temperature": {
        "warm": f"reds, oranges and yellows (OkLCh hue {WARM_FROM} through 0 to {WARM_TO})"
        f" carry more than {1 - REAL_SHARE:.0%} of the chroma",
        "cool": f"greens past yellow-green, cyans, blues and violets (OkLCh hue {COOL_FROM} to {COOL_TO})"
        f" carry more than {1 - REAL_SHARE:.0%} of the chroma",
        "neutral": f"nearly achromatic: the mean OkLCh chroma is below {NEUTRAL_CHROMA_BELOW}",
        "cool-warm": f"warm and cool hues both carry at least {REAL_SHARE:.0%} of the chroma;"
        " yellow-greens, and purples and magentas, count half to each",
    },
    "contrast": {
        "high": f"the largest LCH lightness minus the smallest is above {CONTRAST_HIGH_ABOVE}",
        "medium": f"that difference is {CONTRAST_LOW_BELOW} to {CONTRAST_HIGH_ABOVE}",
        "low": f"that difference is below {CONTRAST_LOW_BELOW}",
    },
    "brightness": {
        "dark": f"the mean LCH lightness is below {DARK_BELOW}, and it is not varied",
        "medium": f"the mean LCH lightness is {DARK_BELOW} to {LIGHT_ABOVE}, and it is not varied",
        "light": f"the mean LCH lightness is above {LIGHT_ABOVE}, and it is not varied",
        "varied": f"some colour has an LCH lightness below {DARK_BELOW} and another above {LIGHT_ABOVE}",
    },
    "saturation": {
        "vibrant": f"more than half of the colours have an HSL saturation above {VIBRANT_ABOVE}",
        "muted": f"more than half of the colours have an HSL saturation below {MUTED_BELOW}",
        "mixed": "neither of these",
    },
}

ATTRIBUTE_VALUES = {attribute: tuple(definitions) for attribute, definitions in ATTRIBUTE_DEFINITIONS.items()}


@dataclass(frozen=True, slots=True)
class MeasuredAttributes:
    """The values of many palettes: one list per attribute, in the order of the palettes."""

    temperature: list[str]
    contrast: list[str]
    brightness: list[str]
    saturation: list[str]


def measure_attributes(
    hsl: NDArray[np.int16], lch: NDArray[np.int16], oklch: NDArray[np.float64]
) -> MeasuredAttributes:
    """Measure the attributes of palettes from their colours in three spaces, each (n, steps, 3)."""
    lightness = lch[..., 0].astype(np.int32)
    return MeasuredAttributes(
        temperature=_temperature(chroma=oklch[..., 1], hue=oklch[..., 2]),
        contrast=_contrast(lightness),
        brightness=_brightness(lightness),
        saturation=_saturation(hsl[..., 1]),
    )


def _contrast(lightness: NDArray[np.int32]) -> list[str]:
    difference = lightness.max(axis=1) - lightness.min(axis=1)
    return _choose([difference > CONTRAST_HIGH_ABOVE, difference < CONTRAST_LOW_BELOW], ["high", "low"], "medium")


def _brightness(lightness: NDArray[np.int32]) -> list[str]:
    varied = (lightness < DARK_BELOW).any(axis=1) & (lightness > LIGHT_ABOVE).any(axis=1)
    # Sums rather than means: whole numbers compare exactly.
    total, steps = lightness.sum(axis=1), lightness.shape[1]
    return _choose(
        [varied, total < DARK_BELOW * steps, total > LIGHT_ABOVE * steps],
        ["varied", "dark", "light"],
        "medium",
    )


def _saturation(saturation: NDArray[np.int16]) -> list[str]:
    half = saturation.shape[1] / 2
    vibrant = (saturation > VIBRANT_ABOVE).sum(axis=1) > half
    muted = (saturation < MUTED_BELOW).sum(axis=1) > half
    return _choose([vibrant, muted], ["vibrant", "muted"], "mixed")


def _temperature(chroma: NDArray[np.float64], hue: NDArray[np.float64]) -> list[str]:
    warm_hue = (hue >= WARM_FROM) | (hue <= WARM_TO)
    cool_hue = (hue >= COOL_FROM) & (hue <= COOL_TO)
    warmth = np.where(warm_hue, 1.0, np.where(cool_hue, 0.0, 0.5))
    total = chroma.sum(axis=1)
    warm_share = (chroma * warmth).sum(axis=1) / np.maximum(total, 1e-9)
    return _choose(
        [
            total < NEUTRAL_CHROMA_BELOW * chroma.shape[1],
            warm_share > 1 - REAL_SHARE,
            warm_share < REAL_SHARE,
        ],
        ["neutral", "warm", "cool"],
        "cool-warm",
    )


def _choose(conditions: Sequence[ArrayLike], values: list[str], otherwise: str) -> list[str]:
    """Return for each palette the value of the first condition that holds."""
    conditions = [np.asarray(condition) for condition in conditions]
    choices: list[int] = np.select(conditions, list(range(len(values))), len(values)).tolist()
    # All palettes share the same few string objects; NumPy would create one for each.
    return [(*values, otherwise)[choice] for choice in choices]
