"""`palettes` and their images."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

from pathlib import Path

import dagster as dg
from pydantic import Field

from grabient_pipeline.defs.metadata import MAX_ROWS, Metadata, picture, rows_table, table_metadata, text_lines
from grabient_pipeline.defs.steps import step_asset
from grabient_pipeline.images.render import contact_sheet
from grabient_pipeline.images.sync import ImageReport
from grabient_pipeline.imports.palettes import ImportReport
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.warehouse import connect, sql

_CONTACT_SHEET_PALETTES = 48


class PalettesConfig(dg.Config):
    """What to import."""

    files: list[str] = Field(
        default=[],
        description="Files of palettes to import: .csv, .jsonl, .ndjson, .parquet or .txt (one seed per line), or an "
        "export of the site's D1 database (.sqlite, .db, .sql). Without files, an empty table gets the sample palettes "
        "of the project, and a filled one stays as it is.",
    )
    d1: bool = Field(
        default=False,
        description="Also import from Cloudflare D1; needs CF_ACCOUNT_ID, CF_API_TOKEN and CF_D1_DATABASE_ID.",
    )
    d1_query: str | None = Field(
        default=None,
        description="The query for D1, or for an export of it: one SELECT with a column seed, palette_id or id. By "
        "default the distinct palettes that users with the role admin like.",
    )


@step_asset(
    group="palettes",
    table="palettes",
    kinds={"duckdb", "polars"},
    description="All palettes, one row each however their seeds are spelt: the colours, what is measured from them, "
    "and the address of the image. Imports the files named in the configuration.",
)
def palettes(config: PalettesConfig, pipeline: dg.ResourceParam[Pipeline]) -> Metadata:
    files = [Path(file) for file in config.files]
    report = pipeline.import_palettes(files, d1=config.d1, d1_query=config.d1_query)
    return palettes_metadata(pipeline.settings.data_dir, report)


@step_asset(
    group="palettes",
    deps=[palettes],
    kinds={"png"},
    description="One image per palette, 800 x 400, in images/ of the data directory. Draws those that are missing. "
    "With R2_BUCKET and its settings they are also uploaded to a bucket, and image_url becomes their public address.",
)
def palette_images(pipeline: dg.ResourceParam[Pipeline]) -> Metadata:
    return palette_images_metadata(pipeline.write_pictures(), pipeline.settings.images_dir)


def palettes_metadata(data_dir: Path, report: ImportReport) -> Metadata:
    """Show what an import did, and the newest palettes."""
    with connect(data_dir) as connection:
        newest = connection.execute(sql(__package__, "newest_palettes"), {"rows": MAX_ROWS}).fetchall()
        colours = connection.execute(sql(__package__, "newest_colours"), {"rows": _CONTACT_SHEET_PALETTES}).fetchall()
        return {
            **table_metadata(connection, "palettes"),
            "imported": dg.MetadataValue.int(report.imported),
            "already there": dg.MetadataValue.int(report.already_there),
            "invalid": dg.MetadataValue.int(len(report.invalid)),
            **text_lines("invalid rows", [str(row) for row in report.invalid[:MAX_ROWS]]),
            "newest": rows_table(("name", "seed", "colours", "harmony", "source"), newest),
            "contact sheet": picture("the newest palettes", contact_sheet([hexes for (hexes,) in colours])),
        }


def palette_images_metadata(report: ImageReport, folder: Path) -> Metadata:
    """Show how many images there are and where."""
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(report.images),
        "drawn": dg.MetadataValue.int(report.written),
        "folder": dg.MetadataValue.path(str(folder)),
    }
    if report.in_bucket is not None:
        metadata["in the bucket"] = dg.MetadataValue.int(report.in_bucket)
        metadata["uploaded"] = dg.MetadataValue.int(report.uploaded)
    return metadata
