"""From coefficients to colours: the cosine gradient in Inigo Quilez's form (https://iquilezles.org/articles/palettes/).

`colour(t) = a + b * cos(2 pi (c t + d))` per channel, clamped to [0, 1].
"""

import numpy as np
from numpy.typing import NDArray

STEPS = 11
"""The number of colours by which the pipeline describes a palette."""


def gradient(coefficients: NDArray[np.float64], steps: int = STEPS) -> NDArray[np.uint8]:
    """Return the colours of palettes: from coefficients (n, 12) with globals applied to sRGB (n, steps, 3).

    `t` runs evenly from 0 to 1, both included; a single step is at 0. Channels are rounded half up.
    """
    positions = np.arange(steps) / max(steps - 1, 1)
    a, b, c, d = (coefficients[:, np.newaxis, start : start + 3] for start in range(0, 12, 3))
    waves = a + b * np.cos(2 * np.pi * (c * positions[:, np.newaxis] + d))
    return np.floor(np.clip(waves, 0, 1) * 255 + 0.5).astype(np.uint8)


def hex_colours(rgb: NDArray[np.uint8]) -> list[str]:
    """Return every colour of an array (..., 3) as `#rrggbb`, in its order."""
    digits = rgb.tobytes().hex()
    return ["#" + digits[start : start + 6] for start in range(0, len(digits), 6)]
