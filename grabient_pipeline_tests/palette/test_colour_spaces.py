"""Conversions against fixed vectors and against an independent library, over thousands of colours."""

import math

import numpy as np
import pytest
from coloraide import Color
from numpy.typing import NDArray

from grabient_pipeline.palette.colour_spaces import oklab_to_oklch, srgb_to_hsl, srgb_to_lch, srgb_to_oklab


def rgb_of(hex_colour: str) -> NDArray[np.uint8]:
    return np.array(list(bytes.fromhex(hex_colour[1:])), dtype=np.uint8)


@pytest.mark.parametrize(
    ("hex_colour", "hsl", "lch", "oklch"),
    [
        ("#ce885f", [22, 53, 59], [63, 40, 56], [0.6892, 0.1026, 50.72]),
        ("#3e50ff", [234, 100, 62], [44, 102, 300], [0.5401, 0.2549, 270.12]),
        ("#00705c", [169, 100, 22], [42, 33, 174], [0.4866, 0.0921, 174.59]),
        ("#c0d021", [65, 73, 47], [80, 79, 108], [0.8179, 0.1788, 115.33]),
        ("#0f9f06", [116, 93, 32], [57, 83, 136], [0.6100, 0.2043, 142.28]),
        ("#362b85", [247, 51, 35], [24, 58, 303], [0.3612, 0.1440, 281.97]),
    ],
)
def test_conversions(hex_colour: str, hsl: list[int], lch: list[int], oklch: list[float]) -> None:
    rgb = rgb_of(hex_colour)
    assert srgb_to_hsl(rgb).tolist() == hsl
    assert srgb_to_lch(rgb).tolist() == lch
    found = oklab_to_oklch(srgb_to_oklab(rgb))
    assert found[:2] == pytest.approx(oklch[:2], abs=5e-5)
    assert found[2] == pytest.approx(oklch[2], abs=5e-3)


def many_colours() -> NDArray[np.uint8]:
    random = np.random.default_rng(11)
    corners = np.array([[r, g, b] for r in (0, 1, 128, 255) for g in (0, 1, 128, 255) for b in (0, 1, 128, 255)])
    return np.vstack([corners, random.integers(0, 256, (2000, 3))]).astype(np.uint8)


def turns_apart(degrees: float, others: float) -> float:
    return abs((degrees - others + 180) % 360 - 180)


def test_agrees_with_an_independent_library() -> None:
    colours = many_colours()
    hsl, lch, oklab = srgb_to_hsl(colours), srgb_to_lch(colours), srgb_to_oklab(colours)
    for index, rgb in enumerate(colours.tolist()):
        colour = Color("srgb", [channel / 255 for channel in rgb])
        hue, saturation, lightness = colour.convert("hsl").coords(nans=False)
        assert turns_apart(hsl[index, 0], hue) <= 0.5 + 1e-6, rgb
        assert hsl[index, 1:] == pytest.approx((saturation * 100, lightness * 100), abs=0.5 + 1e-6), rgb

        lightness, chroma, hue = colour.convert("lch-d65").coords(nans=False)
        # The two sides' white points differ in the fifth digit.
        assert lch[index, :2] == pytest.approx((lightness, chroma), abs=0.53), rgb
        if lch[index, 1] > 2:
            assert turns_apart(lch[index, 2], hue) <= 0.6, rgb

        assert oklab[index] == pytest.approx(colour.convert("oklab").coords(), abs=2e-4), rgb


def test_halves_are_rounded_up() -> None:
    # Saturation 1/200 and 3/200 exactly, which floats cannot all say; hue 0.5 degrees.
    assert srgb_to_hsl(np.array([101, 100, 100], dtype=np.uint8)).tolist()[1] == math.floor(100 / 201 + 0.5)
    assert srgb_to_hsl(np.array([99, 101, 99], dtype=np.uint8)).tolist()[1] == 1
    assert srgb_to_hsl(np.array([120, 1, 0], dtype=np.uint8)).tolist()[0] == 1


def test_hues_stay_below_360() -> None:
    assert srgb_to_hsl(np.array([255, 0, 1], dtype=np.uint8)).tolist()[0] == 0
    everything = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), axis=-1).reshape(-1, 3).astype(np.uint8)
    for hues in (srgb_to_hsl(everything)[:, 0], srgb_to_lch(everything)[:, 2]):
        assert hues.min() == 0
        assert hues.max() == 359


def test_greys_have_no_hue() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(-1, 3)
    assert (srgb_to_hsl(greys)[:, :2] == 0).all()
    assert (srgb_to_lch(greys)[:, 1:] == 0).all()
    assert np.abs(srgb_to_oklab(greys)[:, 1:]).max() < 1e-6
