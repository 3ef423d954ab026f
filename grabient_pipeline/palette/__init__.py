"""The colour domain: what a palette is, which colours it has, and everything that is computed from them.

Pure functions of seeds and arrays. Models, tables and Dagster belong to other packages, and so do the large pictures of
the site (`images`).
"""

from grabient_pipeline.palette.description import PaletteDescription, describe_palettes
from grabient_pipeline.palette.picture import PICTURE_FORMAT, PICTURE_TYPE, palette_pictures
from grabient_pipeline.palette.reading import Palette, read_palette
from grabient_pipeline.palette.seed import InvalidSeedError

__all__ = [
    "PICTURE_FORMAT",
    "PICTURE_TYPE",
    "InvalidSeedError",
    "Palette",
    "PaletteDescription",
    "describe_palettes",
    "palette_pictures",
    "read_palette",
]
