"""Colour analysis for the simulated models: measured attributes, families of colour, and the words that match."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from grabient_pipeline.palette.attributes import measure_attributes
from grabient_pipeline.palette.colour_spaces import oklab_to_oklch, srgb_to_hsl, srgb_to_lch, srgb_to_oklab
from grabient_pipeline.palette.harmony import harmonies
from grabient_pipeline.sandbox.model.vocabulary import (
    ATTRIBUTE_MOODS,
    ATTRIBUTE_STYLES,
    HUE_FAMILIES,
    NEAR_HARMONIES,
    REGIONS,
    SCENES,
    SEASONS,
    Season,
)

STEPS = 11
_HEX_LIST = re.compile(r'\\?"hex\\?"\s*:\s*\[([^\]]*)\]')
_HEX = re.compile(r"#[0-9a-fA-F]{6}\b")

_NEUTRAL_CHROMA = 0.035
_VIVID_CHROMA = 0.13
_BROWN_CHROMA = 0.115
_BROWN_LIGHTNESS = 0.62
_DARK_BELOW, _LIGHT_ABOVE = 0.42, 0.76
_SCENE_WEIGHT = 0.35
_ATTRIBUTE_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class PaletteProfile:
    """A palette as a model sees it: its attributes, and matching words, the best first."""

    attributes: dict[str, str]
    harmony: tuple[str, ...]
    seasonal: tuple[str, ...]
    mood: tuple[str, ...]
    style: tuple[str, ...]
    associations: tuple[str, ...]


def hexes_in(text: str) -> str:
    """The colours in a text, as one string: the entries of its `hex` list, or else every hex colour."""
    match = _HEX_LIST.search(text)
    if match:
        return match.group(1)
    return " ".join(dict.fromkeys(_HEX.findall(text)))


class ColourAnalyser:
    """Profiles palettes, many at a time, and caches the latest.

    Measurement is vectorised: hundreds of palettes take little longer than one.
    """

    def __init__(self, remembered: int = 8192) -> None:
        self._remembered = remembered
        self._profiles: dict[str, PaletteProfile] = {}

    def analyse(self, keys: Iterable[str]) -> None:
        """Profile the colour strings that are not in the cache."""
        unseen = [key for key in dict.fromkeys(keys) if key not in self._profiles]
        if not unseen:
            return
        if len(self._profiles) + len(unseen) > self._remembered:
            self._profiles.clear()
        for key, profile in zip(unseen, _measure([_resample(key) for key in unseen]), strict=True):
            self._profiles[key] = profile

    def profile(self, key: str) -> PaletteProfile:
        """The profile of the palette in this colour string."""
        found = self._profiles.get(key)
        if found is None:
            self.analyse([key])
            found = self._profiles[key]
        return found


def _resample(key: str) -> list[int]:
    """The colours in a string as numbers, spread over the eleven steps of a palette."""
    colours = [int(colour[1:], 16) for colour in _HEX.findall(key)] or [0x808080]
    if len(colours) == STEPS:
        return colours
    return [colours[index * len(colours) // STEPS] for index in range(STEPS)]


def _measure(palettes: list[list[int]]) -> list[PaletteProfile]:
    packed = np.array(palettes, dtype=np.uint32)
    rgb = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)
    oklch = oklab_to_oklch(srgb_to_oklab(rgb))
    measured = measure_attributes(srgb_to_hsl(rgb), srgb_to_lch(rgb), oklch)
    families, tones, vivid = _families(oklch)
    found: list[PaletteProfile] = []
    for index, harmony in enumerate(harmonies(oklch)):
        attributes = {
            "temperature": measured.temperature[index],
            "contrast": measured.contrast[index],
            "brightness": measured.brightness[index],
            "saturation": measured.saturation[index],
        }
        found.append(_make_profile(attributes, harmony, families[index], tones[index], vivid[index]))
    return found


_FAMILY_STARTS = np.array([start for start, _ in HUE_FAMILIES])
_FAMILY_NAMES = np.array([name for _, name in HUE_FAMILIES])


def _families(oklch: NDArray[np.float64]) -> tuple[list[list[str]], list[list[str]], list[list[bool]]]:
    lightness, chroma, hue = oklch[..., 0], oklch[..., 1], oklch[..., 2]
    by_hue = _FAMILY_NAMES[np.searchsorted(_FAMILY_STARTS, hue, side="right") - 1]
    neutral = np.select([lightness < 0.3, lightness > 0.88], ["black", "white"], "grey")
    warm = (hue > 30) & (hue < 95)
    brown = warm & (chroma < _BROWN_CHROMA) & (lightness < _BROWN_LIGHTNESS) | warm & (chroma < 0.07)
    family = np.where(chroma < _NEUTRAL_CHROMA, neutral, np.where(brown, "brown", by_hue))
    # Very dark colours count as black, whatever their hue.
    family = np.where(lightness < 0.16, "black", family)
    tone = np.select([lightness < _DARK_BELOW, lightness > _LIGHT_ABOVE], ["dark", "light"], "mid")
    return family.tolist(), tone.tolist(), (chroma > _VIVID_CHROMA).tolist()


def _make_profile(
    attributes: dict[str, str], harmony: list[str], families: list[str], tones: list[str], vivid: list[bool]
) -> PaletteProfile:
    shares = {family: count / STEPS for family, count in Counter(families).items()}
    tone_shares = {tone: count / STEPS for tone, count in Counter(tones).items()}
    vivid_share = sum(vivid) / STEPS

    # Lists of words, weighted by their share of the palette.
    things: list[tuple[float, tuple[str, ...]]] = []
    moods: list[tuple[float, tuple[str, ...]]] = []
    styles: list[tuple[float, tuple[str, ...]]] = []
    for scene in SCENES:
        if all(shares.get(family, 0.0) >= share for family, share in scene.needs.items()):
            things.append((_SCENE_WEIGHT, scene.associations))
            styles.append((_SCENE_WEIGHT, scene.style))
            moods.append((_SCENE_WEIGHT, scene.mood))
    for (family, tone), count in Counter(zip(families, tones, strict=True)).most_common(5):
        things.append((count / STEPS, getattr(REGIONS[family], tone)))
    for family, share in sorted(shares.items(), key=lambda item: -item[1])[:4]:
        moods.append((share, REGIONS[family].mood))
        styles.append((share, REGIONS[family].style))
    for pair in attributes.items():
        moods.append((_ATTRIBUTE_WEIGHT, ATTRIBUTE_MOODS.get(pair, ())))
        styles.append((_ATTRIBUTE_WEIGHT, ATTRIBUTE_STYLES.get(pair, ())))

    near = [other for name in harmony for other in NEAR_HARMONIES.get(name, ())]
    return PaletteProfile(
        attributes=attributes,
        harmony=tuple(dict.fromkeys((*harmony, *near, "polychromatic"))),
        seasonal=tuple(season.name for season in SEASONS if _in_season(season, shares, tone_shares, vivid_share))[:4],
        mood=_interleaved(tuple(moods)),
        style=_interleaved(tuple(styles)),
        associations=_interleaved(tuple(things)),
    )


def _in_season(season: Season, shares: dict[str, float], tones: dict[str, float], vivid: float) -> bool:
    return (
        season.dark_at_least <= tones.get("dark", 0.0) <= season.dark_at_most
        and tones.get("light", 0.0) >= season.light_at_least
        and vivid >= season.vivid_at_least
        and all(
            sum(shares.get(family, 0.0) for family in families.split("+")) >= share
            for families, share in season.needs.items()
        )
    )


@lru_cache(maxsize=4096)
def _interleaved(lists: tuple[tuple[float, tuple[str, ...]], ...]) -> tuple[str, ...]:
    """The words of all lists without duplicates; a list with more weight has its words earlier and closer together."""
    places = [
        ((place + 0.5) / weight, number, word)
        for number, (weight, words) in enumerate(lists)
        for place, word in enumerate(words)
    ]
    return tuple(dict.fromkeys(word for _, _, word in sorted(places)))
