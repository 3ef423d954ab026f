"""Pictures in requests: reading them, and how many tokens they are by the rules of the providers.

The rules were written from the providers' documents, apart from the figures in the pipeline's catalogue.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import cast

from PIL import Image

# Tokens of a picture, given its width and height in pixels and the detail or resolution that the request asks for.
PictureTokens = Callable[[int, int, str], int]

MEDIA_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
# Pictures whose content is remembered: the models of an order are asked about the same palettes in turn.
_REMEMBERED = 4096
# How the base64 of a JPEG, a PNG, a GIF and a WebP begins.
_IN_LINE = re.compile(rb'"(?:data:image/[a-z]+;base64,)?((?:/9j/|iVBORw0KGgo|R0lGOD|UklGR)[A-Za-z0-9+/=]*)"')
_DETAIL = re.compile(rb'"(?:detail|mediaResolution|media_resolution)"\s*:\s*"(\w+)"')
_HEX = re.compile(r"#[0-9a-f]{6}")


class BadPictureError(ValueError):
    """What is sent as a picture is none of its media type. `is_base64` is False if it is not even base64."""

    def __init__(self, *, is_base64: bool) -> None:
        super().__init__("not a picture of its media type")
        self.is_base64 = is_base64


@dataclass(frozen=True, slots=True)
class Picture:
    """The size of a picture in pixels, and the colours of its first and its last pixel as `#rrggbb`."""

    width: int
    height: int
    first: str
    last: str

    def shows(self, colours: str) -> bool:
        """Whether it begins and ends with the first and the last colour of a list of hex colours."""
        listed = _HEX.findall(colours.lower())
        return bool(listed) and (self.first, self.last) == (listed[0], listed[-1])


@lru_cache(maxsize=_REMEMBERED)
def read_picture(media_type: str, data: str) -> Picture:
    """Read a picture in base64.

    Raises:
        BadPictureError: it is none of this type.
    """
    try:
        content = base64.b64decode(data, validate=True)
    except binascii.Error as problem:
        raise BadPictureError(is_base64=False) from problem
    try:
        with Image.open(BytesIO(content)) as image:
            image.load()
            kind, (width, height) = Image.MIME.get(image.format or ""), image.size
            pixels = image.convert("RGB")
            first, last = (pixels.getpixel(place) for place in ((0, 0), (width - 1, height - 1)))
    except (OSError, SyntaxError, ValueError) as problem:
        raise BadPictureError(is_base64=True) from problem
    if kind != media_type:
        raise BadPictureError(is_base64=True)
    return Picture(width, height, _hex(first), _hex(last))


def without_pictures(line: bytes, rule: PictureTokens | None) -> tuple[bytes, int]:
    """Return a request without its pictures in base64, and the tokens of these; for the queue, which checks nothing."""
    if rule is None or (b"base64" not in line and b"inline" not in line):
        return line, 0
    detail = _DETAIL.search(line)
    wanted = detail.group(1).decode() if detail else ""
    tokens = 0
    for data in _IN_LINE.findall(line):
        with Image.open(BytesIO(base64.b64decode(data))) as image:
            tokens += rule(*image.size, wanted)
    return _IN_LINE.sub(b'""', line), tokens


def by_patches(pixels: int, *, factor: float = 1.0, extra: int = 0) -> PictureTokens:
    """A token, or `factor` of them, for each square of so many pixels that covers a part of the picture."""

    def count(width: int, height: int, detail: str) -> int:
        return math.ceil(math.ceil(width / pixels) * math.ceil(height / pixels) * factor) + extra

    return count


def by_tiles_of_512(base: int, tile: int) -> PictureTokens:
    """OpenAI's older rule: `base` tokens, and unless the detail is low, `tile` for each tile of the scaled picture."""

    def count(width: int, height: int, detail: str) -> int:
        if detail == "low":
            return base
        scale = min(1.0, 2048 / max(width, height))
        scale *= min(1.0, 768 / (min(width, height) * scale))
        return base + tile * math.ceil(width * scale / 512) * math.ceil(height * scale / 512)

    return count


def by_tiles_of_336(tile: int) -> PictureTokens:
    """Llama 4: `tile` tokens for each tile, and once more for the whole if there are several."""

    def count(width: int, height: int, detail: str) -> int:
        tiles = math.ceil(width / 336) * math.ceil(height / 336)
        return tile * (tiles + (tiles > 1))

    return count


def by_gemini_tiles(width: int, height: int, detail: str) -> int:
    """Gemini 2: 258 tokens up to 384 pixels, otherwise for each tile; 64 at low resolution."""
    if detail == "MEDIA_RESOLUTION_LOW":
        return 64
    if max(width, height) <= 384:
        return 258
    unit = min(max(min(width, height) // 1.5, 256), 768)
    return 258 * math.ceil(width / unit) * math.ceil(height / unit)


def by_resolution(levels: Mapping[str, int], default: int) -> PictureTokens:
    """Gemini 3: a number for each media resolution, whatever the size."""

    def count(width: int, height: int, detail: str) -> int:
        return levels.get(detail, default)

    return count


def _hex(pixel: object) -> str:
    red, green, blue = cast("tuple[int, int, int]", pixel)
    return f"#{red:02x}{green:02x}{blue:02x}"
