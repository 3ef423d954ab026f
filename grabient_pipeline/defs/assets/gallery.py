"""The gallery: all palettes on one page."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

import dagster as dg

from grabient_pipeline.defs.assets.embeddings import palette_embeddings
from grabient_pipeline.defs.assets.refinement import palette_tag_refined
from grabient_pipeline.defs.metadata import Metadata
from grabient_pipeline.defs.steps import step_asset
from grabient_pipeline.gallery import GalleryReport
from grabient_pipeline.pipeline import Pipeline


@step_asset(
    group="search",
    deps=[palette_tag_refined, palette_embeddings],
    kinds={"html"},
    description="Every palette on one page that opens from disk: gallery/index.html in the data directory. Searched by "
    "words, colour, harmony and season; for each tag it shows which models said it. Until a palette is refined it has "
    "its most voted tags, and before that what is measured.",
)
def palette_gallery(pipeline: dg.ResourceParam[Pipeline]) -> Metadata:
    return palette_gallery_metadata(pipeline.build_gallery())


def palette_gallery_metadata(report: GalleryReport) -> Metadata:
    """Show the size of the page and where it is."""
    return {
        "dagster/row_count": dg.MetadataValue.int(report.palettes),
        "palettes": dg.MetadataValue.int(report.palettes),
        "size (kB)": dg.MetadataValue.int(round(report.size / 1000)),
        "path": dg.MetadataValue.path(str(report.path)),
        "written": dg.MetadataValue.bool(report.written),
    }
