"""Pictures of palettes, read back with Pillow."""

from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from grabient_pipeline.palette import describe_palettes
from grabient_pipeline.palette.image import write_palette_image

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


def test_the_same_colours_give_the_same_bytes_and_few(tmp_path: Path) -> None:
    for name in ("first.png", "second.png"):
        write_palette_image(tmp_path / name, COLOURS)
    first = (tmp_path / "first.png").read_bytes()
    assert first == (tmp_path / "second.png").read_bytes()
    assert len(first) < 2000


def test_replaces_a_picture_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    path.write_bytes(b"half a pic")
    write_palette_image(path, COLOURS)
    assert [found.name for found in tmp_path.iterdir()] == ["palette.png"]
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_failure_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
