"""The vocabulary of tags: closed lists, their synonyms, and words that may not be a tag.

The prompt, the schema and the parser all take their lists from here. The values of the measured attributes and their
boundaries are defined in `palette.attributes`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from grabient_pipeline.palette.attributes import ATTRIBUTE_VALUES

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

# An answer has one value of each, and the colours themselves show which one is right.
ATTRIBUTES: Final = MappingProxyType(ATTRIBUTE_VALUES)
TEMPERATURE: Final = ATTRIBUTES["temperature"]
CONTRAST: Final = ATTRIBUTES["contrast"]
BRIGHTNESS: Final = ATTRIBUTES["brightness"]
SATURATION: Final = ATTRIBUTES["saturation"]

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

# Words that models use instead of a value. "medium" is a synonym in one attribute and a value in another, so each has
# its own.
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

# Values of the attributes: as a mood they would only repeat a measured value.
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

# True of every palette, so useless for searching.
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

# Other spellings of the same words.
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

# Generic alone, but part of good tags ("graphic design", "sunset tone"): forbidden only as a whole tag. The last ones
# are placeholders for "no tag".
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
