"""A picture for every palette: only what is missing is drawn, and only what is missing in the bucket is put there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.images.bucket import Bucket, upload_missing
from grabient_pipeline.images.render import write_palette_image
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse, sql, transaction


@dataclass(frozen=True, slots=True)
class PictureReport:
    """How many pictures there are, and how many of them are new.

    `in_bucket`: how many of them have the bucket's address, None without a bucket; `uploaded`: how many are new there.
    """

    pictures: int
    written: int
    in_bucket: int | None = None
    uploaded: int = 0


def sync_images(
    warehouse: Warehouse, settings: Settings, environment: Mapping[str, str], *, progress: Progress = SILENT
) -> PictureReport:
    """Draw the images that are missing; with a bucket in the environment, upload those that it does not have."""
    # The bucket first, so that an incomplete setting is reported before any work is done.
    bucket = None if settings.sandbox else Bucket.from_environment(environment)
    report = write_missing_pictures(warehouse, settings.images_dir, progress=progress)
    if bucket is None:
        return report
    in_bucket, uploaded = upload_pictures(warehouse, settings.images_dir, bucket, progress=progress)
    return replace(report, in_bucket=in_bucket, uploaded=uploaded)


def write_missing_pictures(warehouse: Warehouse, folder: Path, *, progress: Progress = SILENT) -> PictureReport:
    """Draw `<palette_id>.png` for each palette that has none.

    The colours follow from the id, so a picture is never stale.

    Raises:
        SettingsError: the folder cannot be written to.
    """
    with warehouse.connect() as connection:
        palettes = connection.execute("SELECT palette_id, hex FROM palettes ORDER BY palette_id").fetchall()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = {path.stem for path in folder.glob("*.png")}
        missing = [(palette_id, hexes) for palette_id, hexes in palettes if palette_id not in there]
        for palette_id, hexes in missing:
            write_palette_image(folder / f"{palette_id}.png", hexes)
            progress.advance("drawing", 1, len(missing))
    except OSError as error:
        raise SettingsError(
            f"cannot write pictures to {folder}: {error.strerror or error}; make it writable"
        ) from error
    return PictureReport(len(palettes), len(missing))


def upload_pictures(
    warehouse: Warehouse, folder: Path, bucket: Bucket, *, progress: Progress = SILENT
) -> tuple[int, int]:
    """Put the pictures into the bucket that it does not have, and let the palettes' addresses be the public ones.

    A palette whose picture is somewhere else on the web, as it was imported, keeps that.

    Returns:
        how many pictures are in the bucket, and how many of them are new there.

    Raises:
        BucketError: the bucket cannot be used; what has been put there stays.
    """
    with warehouse.connect() as connection:
        found = connection.execute(sql(__package__, "own_images"), {"folder": bucket.public_folder}).fetchall()
    ours: list[str] = [palette_id for (palette_id,) in found]
    names = [f"{palette_id}.png" for palette_id in ours]
    fresh = upload_missing(bucket, folder, names, progress=progress)
    with warehouse.connect() as connection, transaction(connection):
        connection.register("uploaded", pl.DataFrame({"palette_id": ours}, schema={"palette_id": pl.String}))
        connection.execute(sql(__package__, "set_image_urls"), {"folder": bucket.public_folder})
        connection.unregister("uploaded")
    return len(ours), len(fresh)
