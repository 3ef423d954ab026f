"""The picture of a palette. Pillow is needed here and nowhere else in this package."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from PIL import Image

WIDTH = 800
HEIGHT = 400


def write_palette_image(path: Path, hexes: Sequence[str]) -> None:
    """Writes an opaque PNG, 800 x 400, of equal vertical bands from left to right.

    800 is no multiple of 11: band i ends at pixel floor(800 (i + 1) / 11), so that bands differ by one pixel
    at most. The same colours always give the same bytes, and the file appears whole or not at all.
    """
    image = _bands(hexes)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            image.save(file, format="PNG", compress_level=6)
        except BaseException:
            temporary.unlink()
            raise
    # A temporary file is private to its owner; a picture is there to be served.
    temporary.chmod(0o644)
    temporary.replace(path)


def _bands(hexes: Sequence[str]) -> Image.Image:
    count = len(hexes)
    row = bytes(index * count // WIDTH for index in range(WIDTH))
    image = Image.frombytes("P", (WIDTH, HEIGHT), row * HEIGHT)
    image.putpalette(b"".join(bytes.fromhex(colour[1:]) for colour in hexes))
    return image
