"""`palettes` and their pictures."""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from grabient_pipeline.defs.assets.metadata import OWNERS, palette_images_metadata, palettes_metadata
from grabient_pipeline.defs.resources import PipelineResource, explained


class PalettesConfig(dg.Config):
    """What to import."""

    files: list[str] = Field(
        default=[],
        description="Files of palettes to import: .csv, .jsonl, .ndjson, .parquet or .txt (a seed a line), or an "
        "export of the site's D1 database (.sqlite, .db, .sql). With none, an empty table gets the sample palettes of "
        "the project, and a filled one stays as it is.",
    )
    d1: bool = Field(
        default=False,
        description="Also import from Cloudflare D1, which CF_ACCOUNT_ID, CF_API_TOKEN and CF_D1_DATABASE_ID open.",
    )
    d1_query: str | None = Field(
        default=None,
        description="What D1, or an export of it, is asked: one SELECT with a column seed, palette_id or id. By "
        "default the distinct palettes that users with the role admin like.",
    )


@dg.asset(
    group_name="palettes",
    owners=OWNERS,
    kinds={"duckdb", "polars"},
    metadata={"dagster/table_name": "main.palettes"},
    description="Every palette once, however its seed is spelt: its colours, what is measured from them, and where its "
    "picture is. Comes from the files named in the configuration.",
)
def palettes(config: PalettesConfig, pipeline: PipelineResource) -> dg.MaterializeResult[Any]:
    with explained():
        opened = pipeline.open()
        report = opened.import_palettes([Path(file) for file in config.files], d1=config.d1, d1_query=config.d1_query)
        return dg.MaterializeResult(metadata=palettes_metadata(opened.settings.data_dir, report))


@dg.asset(
    group_name="palettes",
    deps=[palettes],
    owners=OWNERS,
    kinds={"png"},
    description="One picture a palette, 800 x 400, in images/ below the data directory. Draws those that are missing. "
    "With R2_BUCKET and what belongs to it, they are put into a bucket as well, and image_url is their public address.",
)
def palette_images(pipeline: PipelineResource) -> dg.MaterializeResult[Any]:
    with explained():
        opened = pipeline.open()
        report = opened.write_pictures()
        return dg.MaterializeResult(metadata=palette_images_metadata(report, opened.settings.images_dir))
