"""The step that writes the gallery. What it shows and how is decided in `content.py` and `page.py`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.gallery.content import read_content
from grabient_pipeline.gallery.page import render_page


@dataclass(frozen=True, slots=True)
class GalleryReport:
    """The number of palettes, the file and its size in bytes, and whether this run wrote it."""

    palettes: int
    path: Path
    size: int
    written: bool


def build_gallery(data_dir: Path, path: Path) -> GalleryReport:
    """Write the gallery of what has been published in a data directory.

    The file is replaced atomically, and not touched if its content is the same.

    Raises:
        SettingsError: The file cannot be written.
    """
    content = read_content(data_dir)
    page = render_page(content).encode()
    try:
        written = not (path.exists() and path.read_bytes() == page)
        if written:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, lambda part: part.write_bytes(page))
    except OSError as error:
        raise SettingsError(
            f"cannot write the gallery to {path}: {error.strerror or error}; make its folder writable"
        ) from error
    return GalleryReport(content.count, path, len(page), written)
