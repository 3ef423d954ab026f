"""The picture of a palette, and small ones of several. Pillow is needed here and nowhere else in this package."""

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
    """Writes an opaque PNG, 800 x 400, of equal vertical bands from left to right.

    800 is no multiple of 11: band i ends at pixel floor(800 (i + 1) / 11), so that bands differ by one pixel
    at most. The same colours always give the same bytes, and the file appears whole or not at all.
    """
    image = _bands(hexes, (WIDTH, HEIGHT))
    write_atomic(path, lambda part: image.save(part, format="PNG", compress_level=6))


def swatch(hexes: Sequence[str]) -> bytes:
    """A small picture of a palette, as the bytes of a PNG of about 150 bytes."""
    return _png(_bands(hexes, _SWATCH))


def contact_sheet(palettes: Sequence[Sequence[str]]) -> bytes:
    """Small pictures of some palettes, row by row on nothing, as the bytes of a PNG."""
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
