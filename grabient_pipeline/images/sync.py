"""The step that renders missing palette images and uploads those that are missing in the bucket.

Drawing itself is in `render.py`, the client of the bucket in `bucket.py`.
"""

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
from grabient_pipeline.warehouse import Warehouse, registered, sql, transaction


@dataclass(frozen=True, slots=True)
class ImageReport:
    """What the step did.

    Attributes:
        images: All images.
        written: Images rendered by this run.
        in_bucket: Images with a URL in the bucket, or None without a bucket.
        uploaded: Images uploaded by this run.
    """

    images: int
    written: int
    in_bucket: int | None = None
    uploaded: int = 0


def sync_images(
    warehouse: Warehouse, settings: Settings, environment: Mapping[str, str], *, progress: Progress = SILENT
) -> ImageReport:
    """Render the images that are missing; with a bucket in the environment, upload those that it does not have."""
    # The bucket first, so that an incomplete setting is reported before any work is done.
    bucket = None if settings.sandbox else Bucket.from_environment(environment)
    report = write_missing_images(warehouse, settings.images_dir, progress=progress)
    if bucket is None:
        return report
    in_bucket, uploaded = upload_images(warehouse, settings.images_dir, bucket, progress=progress)
    return replace(report, in_bucket=in_bucket, uploaded=uploaded)


def write_missing_images(warehouse: Warehouse, folder: Path, *, progress: Progress = SILENT) -> ImageReport:
    """Render `<palette_id>.png` for each palette without an image.

    The id determines the colours, so images are never stale.

    Raises:
        SettingsError: The folder cannot be written to.
    """
    with warehouse.connect() as connection:
        palettes = connection.execute("SELECT palette_id, hex FROM palettes ORDER BY palette_id").fetchall()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        existing = {path.stem for path in folder.glob("*.png")}
        missing = [(palette_id, hexes) for palette_id, hexes in palettes if palette_id not in existing]
        for palette_id, hexes in missing:
            write_palette_image(folder / f"{palette_id}.png", hexes)
            progress.advance("drawing", 1, len(missing))
    except OSError as error:
        raise SettingsError(f"cannot write images to {folder}: {error.strerror or error}; make it writable") from error
    return ImageReport(len(palettes), len(missing))


def upload_images(
    warehouse: Warehouse, folder: Path, bucket: Bucket, *, progress: Progress = SILENT
) -> tuple[int, int]:
    """Upload the images that are not in the bucket yet, and set the image URLs of their palettes.

    Palettes that were imported with an image elsewhere on the web keep that URL.

    Returns:
        The number of images in the bucket, and the number of new ones.

    Raises:
        BucketError: The bucket cannot be used; files uploaded so far stay there.
    """
    with warehouse.connect() as connection:
        rows = connection.execute(sql(__package__, "own_images"), {"folder": bucket.public_folder}).fetchall()
    ours: list[str] = [palette_id for (palette_id,) in rows]
    names = [f"{palette_id}.png" for palette_id in ours]
    new = upload_missing(bucket, folder, names, progress=progress)
    frame = pl.DataFrame({"palette_id": ours}, schema={"palette_id": pl.String})
    with warehouse.connect() as connection, transaction(connection), registered(connection, "uploaded", frame):
        connection.execute(sql(__package__, "set_image_urls"), {"folder": bucket.public_folder})
    return len(ours), len(new)
