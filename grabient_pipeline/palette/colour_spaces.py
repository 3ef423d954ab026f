"""Conversions of arrays (..., 3) from 8-bit sRGB to the colour spaces in which palettes are measured.

HSL and LCH are integers, for people and models to read; OkLab and OkLCh are floats, for computing.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# IEC 61966-2-1, as a table of the 256 values of a channel.
_CHANNEL = np.arange(256) / 255
_LINEAR: Floats = np.where(_CHANNEL <= 0.04045, _CHANNEL / 12.92, ((_CHANNEL + 0.055) / 1.055) ** 2.4)

# Linear sRGB to CIE XYZ under D65, and that white.
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])
# CIE 15: where the cube root of L*a*b* gives way to a straight line.
_CIE_EPSILON = 0.008856
_CIE_KAPPA = 903.3

# Björn Ottosson, "A perceptual color space for image processing" (https://bottosson.github.io/posts/oklab/).
_OKLAB_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def srgb_to_hsl(rgb: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Convert to HSL as degrees, percent, percent, rounded half up.

    The usual formulas in integer arithmetic, so that halves are exact.
    """
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    highest = np.maximum(np.maximum(red, green), blue)
    lowest = np.minimum(np.minimum(red, green), blue)
    chroma = highest - lowest
    total = highest + lowest

    divisor = np.maximum(chroma, 1)
    sixths = np.where(
        highest == red,
        green - blue,
        np.where(highest == green, blue - red + 2 * chroma, red - green + 4 * chroma),
    )
    hue = _rounded_quotient(60 * sixths, divisor) % 360
    saturation = _rounded_quotient(100 * chroma, np.maximum(np.minimum(total, 510 - total), 1))
    lightness = _rounded_quotient(100 * total, np.full_like(total, 510))
    return np.stack([hue, saturation, lightness], axis=-1).astype(np.int16)


def srgb_to_lch(rgb: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Convert to CIE LCH(ab) under D65 as integer lightness, chroma and degrees; the hue of a neutral colour is 0."""
    xyz = _multiply_matrix(_LINEAR[rgb], _XYZ) / _WHITE
    compressed = np.where(xyz > _CIE_EPSILON, np.cbrt(xyz), (_CIE_KAPPA * xyz + 16) / 116)
    x, y, z = (compressed[..., axis] for axis in range(3))
    a = 500 * (x - y)
    b = 200 * (y - z)
    lightness = np.floor(116 * y - 16 + 0.5)
    chroma = np.floor(np.hypot(a, b) + 0.5)
    hue = np.floor(np.degrees(np.arctan2(b, a)) % 360 + 0.5) % 360
    return np.stack([lightness, chroma, np.where(chroma == 0, 0, hue)], axis=-1).astype(np.int16)


def srgb_to_oklab(rgb: NDArray[np.uint8]) -> Floats:
    """Convert to OkLab: lightness 0 to 1, a, b."""
    return _multiply_matrix(np.cbrt(_multiply_matrix(_LINEAR[rgb], _OKLAB_CONES)), _OKLAB)


def oklab_to_oklch(oklab: Floats) -> Floats:
    """Convert OkLab to polar form: lightness, chroma, hue in degrees below 360. A neutral colour's hue is noise."""
    lightness, a, b = (oklab[..., axis] for axis in range(3))
    return np.stack([lightness, np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360], axis=-1)


def _multiply_matrix(colours: Floats, matrix: Floats) -> Floats:
    # Written out, because the last bits of `@` may depend on the number of colours.
    first, second, third = (colours[..., axis] for axis in range(3))
    return np.stack([row[0] * first + row[1] * second + row[2] * third for row in matrix], axis=-1)


def _rounded_quotient(numerator: NDArray[np.int32], divisor: NDArray[np.int32]) -> NDArray[np.int32]:
    return (2 * numerator + divisor) // (2 * divisor)
