"""Finding colours in a query, and measuring their distance from palettes."""

from __future__ import annotations

import numpy as np
import pytest
from coloraide import Color

from grabient_pipeline.palette.names import known_colour_values
from grabient_pipeline.retrieval.colours import extract_hex_codes, find_named_colours, nearness, squared_distances
from grabient_pipeline.retrieval.words import split_words


def labels(query: str) -> list[str]:
    rest, by_code = extract_hex_codes(query)
    return [colour.label for colour in by_code + find_named_colours(split_words(rest))]


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
def test_finds_the_colours_of_a_query(query: str, colours: list[str]) -> None:
    assert labels(query) == colours


def test_hex_codes_are_removed_from_the_text() -> None:
    assert split_words(extract_hex_codes("calm #1e90ff sea")[0]) == ["calm", "sea"]


def test_names_of_objects_are_uncertain_colours() -> None:
    certain = {
        colour.label: colour.certain for colour in find_named_colours(split_words("wine, forest, forest green, teal"))
    }
    assert certain == {"wine": False, "forest": False, "forest green": True, "teal": True}


def test_every_name_of_the_colour_survey_is_recognised() -> None:
    """Including long names and alternative spellings, which are never given to a palette."""
    for name in known_colour_values():
        assert [colour.label for colour in find_named_colours(split_words(name))] == [" ".join(split_words(name))]


def oklab(*palettes: list[str]) -> np.ndarray:
    """(3, steps, n)."""
    colours = [[Color(code).convert("oklab")[:3] for code in palette] for palette in palettes]
    return np.array(colours, dtype=np.float32).T.copy()


@pytest.mark.parametrize("code", ["#1e90ff", "#ffffff", "#000000", "#7a3b12"])
def test_distances_match_an_independent_library(code: str) -> None:
    palette = ["#ff0000", "#123456", "#c0d021"]
    (colour,) = extract_hex_codes(code)[1]
    expected = [Color(code).distance(each, space="oklab") ** 2 for each in palette]
    assert squared_distances(oklab(palette), colour)[:, 0].tolist() == pytest.approx(expected, abs=2e-4)


def test_nearness_is_the_share_of_near_colours() -> None:
    (blue,) = extract_hex_codes("#1e90ff")[1]
    share, nearest = nearness(oklab(["#1e90ff"] * 3 + ["#331100"], ["#1e90ff"] + ["#331100"] * 3), blue, 0.1)
    assert share.tolist() == pytest.approx([0.75, 0.25], abs=1e-3)
    assert nearest.tolist() == pytest.approx([0, 0], abs=1e-3)


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    palettes = rng.random((3, 11, 50), dtype=np.float32)
    (blue,) = extract_hex_codes("#1e90ff")[1]
    whole = nearness(palettes, blue, 0.1)
    monkeypatch.setattr("grabient_pipeline.retrieval.colours._BLOCK", 7)
    for one, other in zip(whole, nearness(palettes, blue, 0.1), strict=True):
        assert one == pytest.approx(other, abs=1e-6)
