"""A picture for every palette: only what is missing is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.palette.image import write_palette_image
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class PictureReport:
    """How many pictures there are, and how many of them are new."""

    pictures: int
    written: int


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
