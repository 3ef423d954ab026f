"""The words that tags are made of: the closed lists, their synonyms, and what may not be a tag.

Each list stands here once; the prompt, the schema and the parser take it from here. What a value of a
measured attribute means, with its boundaries, belongs to the colour domain.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

FIELDS: Final = (
    "mood",
    "style",
    "harmony",
    "temperature",
    "contrast",
    "brightness",
    "saturation",
    "seasonal",
    "associations",
)

HARMONY: Final = (
    "monochromatic",
    "analogous",
    "complementary",
    "split-complementary",
    "double-complementary",
    "triadic",
    "tetradic",
    "square",
    "achromatic",
    "neutral",
    "accented-analogous",
    "near-complementary",
    "clash",
    "polychromatic",
)

TEMPERATURE: Final = ("warm", "cool", "neutral", "cool-warm")
CONTRAST: Final = ("high", "medium", "low")
BRIGHTNESS: Final = ("dark", "medium", "light", "varied")
SATURATION: Final = ("vibrant", "muted", "mixed")

# One value each, and the colours themselves tell which is right.
ATTRIBUTES: Final = MappingProxyType(
    {
        "temperature": TEMPERATURE,
        "contrast": CONTRAST,
        "brightness": BRIGHTNESS,
        "saturation": SATURATION,
    }
)

SEASONAL: Final = (
    "early spring",
    "spring",
    "late spring",
    "summer",
    "late summer",
    "autumn",
    "late autumn",
    "winter",
    "christmas",
    "halloween",
    "easter",
    "valentines",
    "thanksgiving",
    "new year",
    "hanukkah",
    "diwali",
    "lunar new year",
    "st patricks",
    "independence day",
    "mardi gras",
    "cinco de mayo",
    "oktoberfest",
    "holi",
    "carnival",
    "day of the dead",
    "kwanzaa",
    "passover",
    "rosh hashanah",
    "songkran",
    "nowruz",
    "vesak",
    "baisakhi",
    "obon",
    "chuseok",
    "canada day",
    "australia day",
    "chinese new year",
    "labor day",
    "memorial day",
    "veterans day",
    "mothers day",
    "fathers day",
    "earth day",
)

# What models say instead of a value. "medium" is a synonym in one attribute and a value in another, so each
# has its own.
SYNONYMS: Final = MappingProxyType(
    {
        "temperature": {
            "cool-warm": ("mixed", "both"),
            "neutral": ("balanced", "grey", "gray"),
        },
        "contrast": {
            "high": ("strong", "intense"),
            "medium": ("moderate", "mid"),
            "low": ("subtle", "soft", "minimal"),
        },
        "brightness": {
            "light": ("bright", "pale", "very light"),
            "dark": ("dim", "deep", "very dark"),
            "medium": ("moderate", "mid", "average"),
            "varied": ("mixed", "variable", "contrast"),
        },
        "saturation": {
            "vibrant": ("high", "bright", "vivid", "saturated", "intense", "rich"),
            "muted": ("low", "dull", "desaturated", "soft", "pastel", "subtle"),
            "mixed": ("moderate", "medium", "varied", "variable"),
        },
    }
)

# Values of the attributes: as a mood they would say a second time what is measured.
NOT_A_MOOD: Final = (
    "warm",
    "cool",
    "neutral",
    "vibrant",
    "muted",
    "bright",
    "dark",
    "light",
    "high",
    "medium",
    "low",
)

# True of every palette, so they find nothing.
GENERIC_WORDS: Final = (
    "gradient",
    "palette",
    "color",
    "scheme",
    "blend",
    "nice",
    "beautiful",
    "pretty",
    "amazing",
    "rgb",
    "hex",
    "hsl",
    "vibe",
    "inspired",
    "feeling",
)

# The same words as models also write them.
GENERIC_SPELLINGS: Final = (
    "gradients",
    "palettes",
    "colors",
    "colour",
    "colours",
    "schemes",
    "blends",
    "vibes",
    "feelings",
)

# Generic alone, but part of good tags ("graphic design", "sunset tone"): forbidden only as the whole tag. The
# last ones are what a model writes where it has nothing to say.
GENERIC_ALONE: Final = (
    "aesthetic",
    "association",
    "associations",
    "background",
    "colorful",
    "colourful",
    "design",
    "hue",
    "lch",
    "lovely",
    "mood",
    "seasonal",
    "shade",
    "style",
    "tag",
    "theme",
    "tone",
    "false",
    "n/a",
    "none",
    "null",
    "true",
    "undefined",
    "unknown",
)
