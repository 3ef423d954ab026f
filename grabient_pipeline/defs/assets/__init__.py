"""The assets, one module per step, each with the metadata that its page shows.

The command line uses the same metadata when it records what it did.
"""

from grabient_pipeline.defs.assets.batches import provider_assets
from grabient_pipeline.defs.assets.catalogue import catalogue_findings
from grabient_pipeline.defs.assets.consensus import palette_tag_consensus
from grabient_pipeline.defs.assets.embeddings import palette_embeddings
from grabient_pipeline.defs.assets.gallery import palette_gallery
from grabient_pipeline.defs.assets.palettes import palette_images, palettes
from grabient_pipeline.defs.assets.refinement import palette_tag_refined, refinement_batches
from grabient_pipeline.defs.assets.scorecard import model_scorecard
from grabient_pipeline.defs.assets.tags import palette_tags, tag_responses

ASSETS = [
    catalogue_findings,
    palettes,
    palette_images,
    *provider_assets,
    tag_responses,
    palette_tags,
    palette_tag_consensus,
    model_scorecard,
    refinement_batches,
    palette_tag_refined,
    palette_embeddings,
    palette_gallery,
]

__all__ = ["ASSETS"]
