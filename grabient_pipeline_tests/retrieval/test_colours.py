"""Colours in a query, and how far palettes are from them."""

from __future__ import annotations

import numpy as np
import pytest
from coloraide import Color

from grabient_pipeline.palette.names import known_colour_values
from grabient_pipeline.retrieval.colours import named_colours, nearness, squared_distances, without_hex_codes
from grabient_pipeline.retrieval.words import words_of


def said(query: str) -> list[str]:
    rest, by_code = without_hex_codes(query)
    return [colour.said for colour in by_code + named_colours(words_of(rest))]


@pytest.mark.parametrize(
    ("query", "colours"),
    [
        ("#1e90ff", ["#1e90ff"]),
        ("#1E90FF", ["#1e90ff"]),
        ("1e90ff", ["#1e90ff"]),
        ("#f00", ["#ff0000"]),
        ("0ff", ["#00ffff"]),
        ("#1e90ffcc", ["#1e90ff"]),
        ("#f00a", ["#ff0000"]),
        ("#fff, #000", ["#ffffff", "#000000"]),
        ("#fff #fff", ["#ffffff"]),
        ("from #1e90ff to gold", ["#1e90ff", "gold"]),
        ("teal", ["teal"]),
        ("dark red", ["dark red"]),
        ("Dark-Red", ["dark red"]),
        ("gray", ["grey"]),
        ("teal and gold art deco", ["teal", "gold"]),
        ("forest green", ["forest green"]),
        ("dark", []),
        ("facade decade", []),
        ("add a cab", []),
        ("90s", []),
        ("#12", []),
        ("#12345", []),
        ("#ggg", []),
        ("404", []),
        ("a1e90fff", []),
        ("", []),
    ],
)
def test_colours_of_a_query(query: str, colours: list[str]) -> None:
    assert said(query) == colours


def test_a_code_is_taken_out_of_the_text() -> None:
    assert words_of(without_hex_codes("calm #1e90ff sea")[0]) == ["calm", "sea"]


def test_a_thing_is_less_surely_a_colour() -> None:
    sure = {colour.said: colour.surely for colour in named_colours(words_of("wine, forest, forest green, teal"))}
    assert sure == {"wine": False, "forest": False, "forest green": True, "teal": True}


def test_every_name_of_the_survey_is_understood() -> None:
    """Also the long ones and the other spellings, which no palette is given."""
    for name in known_colour_values():
        assert [colour.said for colour in named_colours(words_of(name))] == [" ".join(words_of(name))]


def oklab(*palettes: list[str]) -> np.ndarray:
    """(3, steps, n)."""
    colours = [[Color(code).convert("oklab")[:3] for code in palette] for palette in palettes]
    return np.array(colours, dtype=np.float32).T.copy()


@pytest.mark.parametrize("code", ["#1e90ff", "#ffffff", "#000000", "#7a3b12"])
def test_distances_are_those_of_an_independent_library(code: str) -> None:
    palette = ["#ff0000", "#123456", "#c0d021"]
    (colour,) = without_hex_codes(code)[1]
    expected = [Color(code).distance(each, space="oklab") ** 2 for each in palette]
    assert squared_distances(oklab(palette), colour)[:, 0].tolist() == pytest.approx(expected, abs=2e-4)


def test_how_much_of_a_palette_is_near_counts() -> None:
    (blue,) = without_hex_codes("#1e90ff")[1]
    share, nearest = nearness(oklab(["#1e90ff"] * 3 + ["#331100"], ["#1e90ff"] + ["#331100"] * 3), blue, 0.1)
    assert share.tolist() == pytest.approx([0.75, 0.25], abs=1e-3)
    assert nearest.tolist() == pytest.approx([0, 0], abs=1e-3)


def test_many_palettes_are_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    palettes = rng.random((3, 11, 50), dtype=np.float32)
    (blue,) = without_hex_codes("#1e90ff")[1]
    whole = nearness(palettes, blue, 0.1)
    monkeypatch.setattr("grabient_pipeline.retrieval.colours._BLOCK", 7)
    for one, other in zip(whole, nearness(palettes, blue, 0.1), strict=True):
        assert one == pytest.approx(other, abs=1e-6)
