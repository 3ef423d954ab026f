"""The Dagster assets, a module a step. Thin: call the step, say what happened.

What a step does is in `pipeline.py`; how its outcome looks on an asset's page is in `metadata.py`, which the command
line uses as well when it records its runs.
"""

from grabient_pipeline.assets.batches import provider_assets
from grabient_pipeline.assets.embeddings import palette_embeddings, search_keeps_its_level
from grabient_pipeline.assets.palettes import palette_images, palettes
from grabient_pipeline.assets.tags import palette_tags, tag_responses

ASSETS = [palettes, palette_images, *provider_assets, tag_responses, palette_tags, palette_embeddings]
ASSET_CHECKS = [search_keeps_its_level]

__all__ = ["ASSETS", "ASSET_CHECKS"]
