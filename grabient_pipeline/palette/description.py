"""The complete description of palettes, computed for many of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from grabient_pipeline.palette.attributes import measure_attributes
from grabient_pipeline.palette.colour_data import colour_data
from grabient_pipeline.palette.colour_spaces import oklab_to_oklch, srgb_to_hsl, srgb_to_lch, srgb_to_oklab
from grabient_pipeline.palette.gradient import STEPS, gradient, hex_colours
from grabient_pipeline.palette.harmony import harmonies
from grabient_pipeline.palette.names import colour_names
from grabient_pipeline.palette.seed import coefficients_of

# Palettes per chunk, whose arrays take some 15 MB.
_CHUNK = 2048


@dataclass(frozen=True, slots=True)
class PaletteDescription:
    """A palette's 11 colours, their JSON for a model, its measured attributes and harmonies, and its colour names."""

    hex: list[str]
    colour_data: bytes
    temperature: str
    contrast: str
    brightness: str
    saturation: str
    harmony: list[str]
    colour_names: list[str]


def describe_palettes(canonical_seeds: Sequence[str]) -> list[PaletteDescription]:
    """Describe palettes, in the order of the seeds.

    Raises:
        InvalidSeedError: a seed is not in canonical form.
    """
    descriptions: list[PaletteDescription] = []
    for start in range(0, len(canonical_seeds), _CHUNK):
        descriptions += _describe(canonical_seeds[start : start + _CHUNK])
    return descriptions


def _describe(canonical_seeds: Sequence[str]) -> list[PaletteDescription]:
    rgb = gradient(coefficients_of(canonical_seeds))
    hexes = hex_colours(rgb)
    hex_rows = [hexes[start : start + STEPS] for start in range(0, len(hexes), STEPS)]
    hsl, lch, oklab = srgb_to_hsl(rgb), srgb_to_lch(rgb), srgb_to_oklab(rgb)
    oklch = oklab_to_oklch(oklab)
    names = colour_names(oklab)
    attributes = measure_attributes(hsl, lch, oklch)
    return [
        PaletteDescription(*values)
        for values in zip(
            hex_rows,
            colour_data(hex_rows, rgb, hsl, lch, names),
            attributes.temperature,
            attributes.contrast,
            attributes.brightness,
            attributes.saturation,
            harmonies(oklch),
            names,
            strict=True,
        )
    ]
