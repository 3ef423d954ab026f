"""The colour domain: what a palette is, which colours it has, and what can be computed about them.

Nothing here knows of models, tables or Dagster. `image` is imported on its own, since it needs Pillow.
"""

from grabient_pipeline.palette.description import PaletteDescription, describe_palettes
from grabient_pipeline.palette.reading import Palette, read_palette
from grabient_pipeline.palette.seed import InvalidSeedError

__all__ = ["InvalidSeedError", "Palette", "PaletteDescription", "describe_palettes", "read_palette"]
