"""Renders palettes as PNG images: full size, swatches and contact sheets.

The only module that imports Pillow. Where images are stored is decided in `sync.py`.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from grabient_pipeline.atomic import write_atomic

WIDTH = 800
HEIGHT = 400

_SWATCH = (132, 16)
_SHEET_COLUMNS, _SHEET_GAP = 6, 6


def write_palette_image(path: Path, hexes: Sequence[str]) -> None:
    """Write an opaque PNG, 800 x 400, of equal vertical bands from left to right.

    Band i of n ends before pixel ceil(800 (i + 1) / n), so widths differ by at most one pixel. The same colours always
    give the same bytes. The file is replaced atomically.
    """
    image = _bands(hexes, (WIDTH, HEIGHT))
    write_atomic(path, lambda part: image.save(part, format="PNG", compress_level=6))


def swatch(hexes: Sequence[str]) -> bytes:
    """Render a small PNG of a palette, about 150 bytes."""
    return _png(_bands(hexes, _SWATCH))


def contact_sheet(palettes: Sequence[Sequence[str]]) -> bytes:
    """Render swatches of several palettes, row by row on a transparent background, as a PNG."""
    width, height = _SWATCH[0] + _SHEET_GAP, 2 * _SWATCH[1] + _SHEET_GAP
    rows = -(-len(palettes) // _SHEET_COLUMNS)
    sheet = Image.new("RGBA", (max(1, min(len(palettes), _SHEET_COLUMNS)) * width, max(1, rows) * height))
    for number, hexes in enumerate(palettes):
        row, column = divmod(number, _SHEET_COLUMNS)
        sheet.paste(_bands(hexes, (_SWATCH[0], 2 * _SWATCH[1])).convert("RGBA"), (column * width, row * height))
    return _png(sheet)


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, format="PNG", optimize=True)
    return file.getvalue()


def _bands(hexes: Sequence[str], size: tuple[int, int]) -> Image.Image:
    width, height = size
    count = len(hexes)
    row = bytes(index * count // width for index in range(width))
    image = Image.frombytes("P", size, row * height)
    image.putpalette(b"".join(bytes.fromhex(colour[1:]) for colour in hexes))
    return image
