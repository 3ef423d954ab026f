"""The colour domain: what a palette is, which colours it has, and everything that is computed from them.

Pure functions of seeds and arrays. Models, tables and Dagster belong to other packages, and so do pictures (`images`).
"""

from grabient_pipeline.palette.description import PaletteDescription, describe_palettes
from grabient_pipeline.palette.reading import Palette, read_palette
from grabient_pipeline.palette.seed import InvalidSeedError

__all__ = ["InvalidSeedError", "Palette", "PaletteDescription", "describe_palettes", "read_palette"]
