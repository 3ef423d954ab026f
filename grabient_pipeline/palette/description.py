"""Everything that is computed about palettes, for many of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from grabient_pipeline.palette.attributes import measure_attributes
from grabient_pipeline.palette.colour_data import colour_data
from grabient_pipeline.palette.colour_spaces import oklab_to_oklch, srgb_to_hsl, srgb_to_lch, srgb_to_oklab
from grabient_pipeline.palette.gradient import STEPS, gradient, hex_colours
from grabient_pipeline.palette.harmony import harmonies
from grabient_pipeline.palette.names import colour_names
from grabient_pipeline.palette.seed import coefficients_of

# Palettes at a time; the arrays of a chunk take some 15 MB.
_CHUNK = 2048


@dataclass(frozen=True, slots=True)
class PaletteDescription:
    """What a palette looks like: its 11 colours, their JSON for a model, and what is measured and named."""

    hex: list[str]
    colour_data: bytes
    temperature: str
    contrast: str
    brightness: str
    saturation: str
    harmony: list[str]
    colour_names: list[str]


def describe_palettes(canonical_seeds: Sequence[str]) -> list[PaletteDescription]:
    """Descriptions in the order of the seeds. Raises `InvalidSeedError` for one that is not canonical."""
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
