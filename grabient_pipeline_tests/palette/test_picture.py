"""The picture of a palette that models get: checked by an independent decoder, pixel by pixel."""

from __future__ import annotations

import base64
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from grabient_pipeline.palette import PICTURE_FORMAT, PICTURE_TYPE, describe_palettes, palette_pictures, read_palette
from grabient_pipeline.palette.picture import PICTURE_HEIGHT, PICTURE_WIDTH, palette_picture

COLOURS = st.lists(st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}"), min_size=11, max_size=11)


@given(hexes=COLOURS)
def test_it_shows_the_colours_as_bands_from_left_to_right(hexes):
    image = Image.open(BytesIO(palette_picture(hexes)))
    assert (Image.MIME[image.format], image.size) == (PICTURE_TYPE, (PICTURE_WIDTH, PICTURE_HEIGHT))
    pixels = image.convert("RGB")
    for y in (0, PICTURE_HEIGHT - 1):
        row = [pixels.getpixel((x, y)) for x in range(PICTURE_WIDTH)]
        shown = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in row]
        assert shown == [hexes[x * 11 // PICTURE_WIDTH] for x in range(PICTURE_WIDTH)]


@given(hexes=COLOURS)
def test_all_pictures_have_the_same_size_and_the_same_colours_the_same_bytes(hexes):
    (picture,) = palette_pictures([hexes])
    assert base64.b64decode(picture, validate=True) == palette_picture(list(hexes))
    assert len(picture) == len(palette_pictures([["#000000"] * 11])[0]) < 600


def test_the_format_names_the_size_and_the_encoding():
    assert f"{PICTURE_WIDTH} x {PICTURE_HEIGHT} pixels" in PICTURE_FORMAT
    assert "base64" in PICTURE_FORMAT
    # Whole patches, which is what the token figures of the catalogue assume.
    assert (PICTURE_WIDTH % 32, PICTURE_HEIGHT % 32, PICTURE_HEIGHT % 28) == (0, 0, 0)


def test_another_number_of_colours_is_refused():
    with pytest.raises(ValueError, match="11 colours, not 3"):
        palette_picture(["#000000"] * 3)


def test_the_picture_of_a_palette_has_the_colours_of_its_data(sample_rows):
    (described,) = describe_palettes([read_palette(sample_rows[0]["seed"]).canonical_seed])
    image = Image.open(BytesIO(palette_picture(described.hex))).convert("RGB")
    first, last = image.getpixel((0, 0)), image.getpixel((PICTURE_WIDTH - 1, 0))
    assert ("#{:02x}{:02x}{:02x}".format(*first), "#{:02x}{:02x}{:02x}".format(*last)) == (
        described.hex[0],
        described.hex[-1],
    )
