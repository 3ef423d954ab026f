"""The gallery: what has come of all this, to look at."""

from typing import Any

import dagster as dg

from grabient_pipeline.defs.assets.embeddings import palette_embeddings
from grabient_pipeline.defs.assets.metadata import OWNERS, palette_gallery_metadata
from grabient_pipeline.defs.assets.refinement import palette_tag_refined
from grabient_pipeline.defs.resources import PipelineResource, explained


@dg.asset(
    group_name="search",
    deps=[palette_tag_refined, palette_embeddings],
    owners=OWNERS,
    kinds={"html"},
    description="Every palette on one page that opens from disk: gallery/index.html below the data directory. Searched "
    "by words, colour, harmony and season; for each tag it shows which models said it. Until a palette is refined it "
    "has its most voted tags, and before that what is measured.",
)
def palette_gallery(pipeline: PipelineResource) -> dg.MaterializeResult[Any]:
    with explained():
        return dg.MaterializeResult(metadata=palette_gallery_metadata(pipeline.open().build_gallery()))
