"""The picture of a palette: a small PNG that a model may get beside the colour data.

All pictures have the same pixels but for the table of their 11 colours, so a picture is a fixed beginning, that table
and a fixed end: three microseconds each. `images` draws the large pictures of the site.
"""

import base64
import struct
import zlib
from collections.abc import Sequence
from functools import cache

from grabient_pipeline.palette.gradient import STEPS

# Whole patches of 32 pixels (12 x 7) and whole rows of 28, so that no provider bills a patch that is partly empty. Not
# wider than the 384 pixels that Gemini bills as one tile, and not lower than the 200 that Anthropic asks for.
PICTURE_WIDTH = 384
PICTURE_HEIGHT = 224
PICTURE_TYPE = "image/png"

PICTURE_FORMAT = (
    f"picture 1: a PNG of {PICTURE_WIDTH} x {PICTURE_HEIGHT} pixels, sRGB, 4-bit palette, not interlaced;"
    " the 11 hex colours as vertical bands from left to right, band i of n ends before pixel ceil(width (i + 1) / n);"
    " base64, before the text"
)
"""The format in words. It is part of a prompt's version: change it whenever the pixels or the encoding change."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bit depth 4, colour type 3 (palette), and the only methods of compression, filtering and no interlacing.
_HEADER = struct.pack(">IIBBBBB", PICTURE_WIDTH, PICTURE_HEIGHT, 4, 3, 0, 0, 0)


def palette_picture(hexes: Sequence[str]) -> bytes:
    """Return the picture of 11 colours, each `#rrggbb`, as a PNG of about 170 bytes; all have the same size.

    The same colours always give the same bytes.
    """
    if len(hexes) != STEPS:
        raise ValueError(f"a picture has {STEPS} colours, not {len(hexes)}")
    before, after = _frame()
    return before + _chunk(b"PLTE", bytes.fromhex("".join(hexes).replace("#", ""))) + after


def palette_pictures(palettes: Sequence[Sequence[str]]) -> list[str]:
    """Return the picture of each palette in base64."""
    return [base64.b64encode(palette_picture(hexes)).decode() for hexes in palettes]


@cache
def _frame() -> tuple[bytes, bytes]:
    """What precedes the table of colours in every picture, and what follows it."""
    bands = [x * STEPS // PICTURE_WIDTH for x in range(PICTURE_WIDTH)]
    # Two pixels to a byte, after the byte that says that the row is not filtered.
    row = b"\0" + bytes(left << 4 | right for left, right in zip(bands[::2], bands[1::2], strict=True))
    pixels = zlib.compress(row * PICTURE_HEIGHT, 9)
    return _SIGNATURE + _chunk(b"IHDR", _HEADER), _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
