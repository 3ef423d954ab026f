"""Measured attributes at their boundaries, and their definitions in words."""

import numpy as np
import pytest

from grabient_pipeline.palette import attributes
from grabient_pipeline.palette.attributes import ATTRIBUTE_DEFINITIONS, MeasuredAttributes, measure_attributes

# OkLCh hues.
RED, YELLOW, YELLOW_GREEN, BLUE, MAGENTA = 29.0, 110.0, 125.0, 264.0, 328.0


def measured(
    lightness: list[int] | None = None,
    saturation: list[int] | None = None,
    hues: list[float] | None = None,
    chromas: list[float] | None = None,
) -> MeasuredAttributes:
    """Return the attributes of one palette of 11 colours; colour properties that are not given do not matter."""
    hsl = np.zeros((1, 11, 3), dtype=np.int16)
    lch = np.zeros((1, 11, 3), dtype=np.int16)
    oklch = np.zeros((1, 11, 3))
    hsl[0, :, 1] = saturation or [50] * 11
    lch[0, :, 0] = lightness or [50] * 11
    oklch[0, :, 1] = chromas or [0.1] * 11
    oklch[0, :, 2] = hues or [RED] * 11
    return measure_attributes(hsl, lch, oklch)


@pytest.mark.parametrize(
    ("darkest", "lightest", "contrast"),
    [(30, 54, "low"), (30, 55, "medium"), (30, 80, "medium"), (30, 81, "high"), (40, 40, "low")],
)
def test_contrast(darkest: int, lightest: int, contrast: str) -> None:
    assert measured(lightness=[*[darkest] * 10, lightest]).contrast == [contrast]


@pytest.mark.parametrize(
    ("lightness", "brightness"),
    [
        pytest.param([34, *[50] * 9, 66], "varied", id="varied"),
        pytest.param([35, *[50] * 9, 66], "medium", id="nothing dark"),
        pytest.param([34, *[50] * 9, 65], "medium", id="nothing light"),
        pytest.param([35] * 11, "medium", id="mean 35"),
        pytest.param([34, *[35] * 10], "dark", id="mean just below 35"),
        pytest.param([65] * 11, "medium", id="mean 65"),
        pytest.param([66, *[65] * 10], "light", id="mean just above 65"),
        pytest.param([10, *[95] * 10], "varied", id="varied comes before light"),
    ],
)
def test_brightness(lightness: list[int], brightness: str) -> None:
    assert measured(lightness=lightness).brightness == [brightness]


@pytest.mark.parametrize(
    ("saturation", "expected"),
    [
        pytest.param([51] * 6 + [0] * 5, "vibrant", id="six above 50"),
        pytest.param([51] * 5 + [50] * 6, "mixed", id="five above 50"),
        pytest.param([39] * 6 + [90] * 5, "muted", id="six below 40"),
        pytest.param([39] * 5 + [40] * 6, "mixed", id="five below 40"),
    ],
)
def test_saturation(saturation: list[int], expected: str) -> None:
    assert measured(saturation=saturation).saturation == [expected]


@pytest.mark.parametrize(
    ("hues", "chromas", "temperature"),
    [
        pytest.param([RED] * 6 + [YELLOW] * 5, None, "warm", id="reds and yellows"),
        pytest.param([BLUE] * 11, None, "cool", id="blues"),
        pytest.param([RED] * 11, [0.0199] * 11, "neutral", id="nearly grey"),
        pytest.param([RED] * 11, [0.0201] * 11, "warm", id="just not grey"),
        pytest.param([RED] * 8 + [BLUE] * 3, [0.1] * 8 + [0.09] * 3, "cool-warm", id="a quarter is cool"),
        pytest.param([RED] * 9 + [BLUE] * 2, None, "warm", id="less than a quarter is cool"),
        pytest.param([BLUE] * 9 + [RED] * 2, None, "cool", id="less than a quarter is warm"),
        pytest.param([MAGENTA] * 11, None, "cool-warm", id="magenta is both"),
        pytest.param([YELLOW_GREEN] * 11, None, "cool-warm", id="yellow-green is both"),
        pytest.param([RED] * 6 + [MAGENTA] * 5, None, "warm", id="red and magenta"),
        pytest.param([BLUE] * 6 + [MAGENTA] * 5, None, "cool", id="blue and magenta"),
        pytest.param([RED] * 1 + [BLUE] * 10, [0.3] + [0.02] * 10, "cool-warm", id="weighted by chroma"),
        pytest.param([345.0] * 11, None, "warm", id="warm from here"),
        pytest.param([115.0] * 11, None, "warm", id="warm to here"),
        pytest.param([135.0] * 11, None, "cool", id="cool from here"),
        pytest.param([315.0] * 11, None, "cool", id="cool to here"),
    ],
)
def test_temperature(hues: list[float], chromas: list[float] | None, temperature: str) -> None:
    assert measured(hues=hues, chromas=chromas).temperature == [temperature]


def test_a_share_at_the_boundary_counts() -> None:
    # Exactly representable: 3 of 4 equal shares are warm and the rest is grey.
    hues = [RED] * 3 + [BLUE] + [0.0] * 7
    assert measured(hues=hues, chromas=[0.25] * 4 + [0.0] * 7).temperature == ["cool-warm"]


def test_every_value_has_a_definition() -> None:
    assert {name: set(values) for name, values in ATTRIBUTE_DEFINITIONS.items()} == {
        "temperature": {"warm", "cool", "neutral", "cool-warm"},
        "contrast": {"high", "medium", "low"},
        "brightness": {"dark", "medium", "light", "varied"},
        "saturation": {"vibrant", "muted", "mixed"},
    }


@pytest.mark.parametrize(
    ("attribute", "value", "boundary"),
    [
        ("contrast", "high", attributes.CONTRAST_HIGH_ABOVE),
        ("contrast", "low", attributes.CONTRAST_LOW_BELOW),
        ("brightness", "dark", attributes.DARK_BELOW),
        ("brightness", "light", attributes.LIGHT_ABOVE),
        ("saturation", "vibrant", attributes.VIBRANT_ABOVE),
        ("saturation", "muted", attributes.MUTED_BELOW),
        ("temperature", "neutral", attributes.NEUTRAL_CHROMA_BELOW),
        ("temperature", "warm", attributes.WARM_TO),
        ("temperature", "cool", attributes.COOL_FROM),
    ],
)
def test_the_definition_gives_the_measured_boundary(attribute: str, value: str, boundary: float) -> None:
    assert str(boundary) in ATTRIBUTE_DEFINITIONS[attribute][value]
