"""Rendered images, read back with Pillow."""

from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from grabient_pipeline.images.render import contact_sheet, swatch, write_palette_image
from grabient_pipeline.palette import describe_palettes

COLOURS = describe_palettes(["_gIIgHMgJigFKgEigDwgOEgK8gImgBQgDSgHW"])[0].hex


def test_eleven_equal_bands_from_left_to_right(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    write_palette_image(path, COLOURS)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == (800, 400)
        assert "transparency" not in image.info
        pixels = image.convert("RGB")
    rows = [[pixels.getpixel((x, y)) for x in range(800)] for y in (0, 199, 399)]
    assert rows[0] == rows[1] == rows[2]
    edges = [0, *(x for x in range(1, 800) if rows[0][x] != rows[0][x - 1]), 800]
    widths = [end - start for start, end in pairwise(edges)]
    assert sorted(set(widths)) == [72, 73]
    assert ["#" + bytes(rows[0][start]).hex() for start in edges[:-1]] == COLOURS


def test_the_same_colours_give_the_same_small_file(tmp_path: Path) -> None:
    for name in ("first.png", "second.png"):
        write_palette_image(tmp_path / name, COLOURS)
    first = (tmp_path / "first.png").read_bytes()
    assert first == (tmp_path / "second.png").read_bytes()
    assert len(first) < 2000


def test_replaces_an_image_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    path.write_bytes(b"half an im")
    write_palette_image(path, COLOURS)
    assert [found.name for found in tmp_path.iterdir()] == ["palette.png"]
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_failure_keeps_the_old_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "palette.png"
    write_palette_image(path, COLOURS)
    before = path.read_bytes()

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_palette_image(path, COLOURS[::-1])
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["palette.png"]


def test_a_swatch_has_the_colours_in_order():
    with Image.open(BytesIO(swatch(["#ff0000", "#00ff00"]))) as image:
        row = [image.convert("RGB").getpixel((x, 0)) for x in (0, 65, 66, 131)]
    assert row == [(255, 0, 0), (255, 0, 0), (0, 255, 0), (0, 255, 0)]


def test_a_contact_sheet_is_filled_row_by_row():
    palettes = [["#000000"] * 11] * 6 + [["#ffffff"] * 11]
    with Image.open(BytesIO(contact_sheet(palettes))) as image:
        assert image.size == (6 * 138, 2 * 38)
        pixels = [image.getpixel(place) for place in ((0, 0), (5 * 138, 31), (0, 38), (138, 38))]
    assert pixels == [(0, 0, 0, 255), (0, 0, 0, 255), (255, 255, 255, 255), (0, 0, 0, 0)]


def test_a_large_contact_sheet_is_a_small_file():
    palettes = [[f"#{(number * 7919 + band * 104729) % 0x1000000:06x}" for band in range(11)] for number in range(48)]
    assert len(contact_sheet(palettes)) < 20_000


def test_an_empty_contact_sheet():
    assert contact_sheet([]).startswith(b"\x89PNG")
