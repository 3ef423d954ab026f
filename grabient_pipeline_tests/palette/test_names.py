"""Colour names: from a curated list, the nearest, at most four, far apart, and in order."""

import csv
from importlib.resources import files

import numpy as np
import pytest

from grabient_pipeline.palette.colour_spaces import srgb_to_oklab
from grabient_pipeline.palette.names import MIN_DISTANCE, colour_names, known_colours


def names_of(*hexes: str) -> list[str]:
    rgb = np.array([[list(bytes.fromhex(colour)) for colour in hexes]], dtype=np.uint8)
    return colour_names(srgb_to_oklab(rgb))[0]


def test_the_list_is_complete_with_a_reason_for_each_unused_name() -> None:
    text = files("grabient_pipeline.palette").joinpath("xkcd_colours.csv").read_text()
    assert "CC0" in text.splitlines()[1]
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    not_carried = int(text.splitlines()[2].split()[3])
    assert len({row["name"] for row in rows}) + not_carried == 949
    assert {row["left_out"] for row in rows} == {
        "",
        "a brand or a character",
        "a spelling of another",
        "says little",
        "more than two words",
    }


def test_no_name_is_crude_or_longer_than_two_words() -> None:
    words = [word for name in known_colours().names for word in name.split()]
    assert not {"shit", "poop", "poo", "puke", "vomit", "piss", "barf", "snot", "booger", "diarrhea"} & set(words)
    assert all(len(name.split()) <= 2 for name in known_colours().names)
    assert len(set(known_colours().names)) == len(known_colours().names) > 600


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ("e50000", "red"),
        ("0343df", "blue"),
        ("7e1e9c", "purple"),
        ("808080", "medium grey"),
        ("ffffff", "white"),
        ("000000", "black"),
        # By squared RGB distance this mauve would be called a grey.
        ("ae7181", "mauve"),
        # Nearly black and nearly neutral: no brown.
        ("232427", "dark grey"),
        ("181818", "almost black"),
    ],
)
def test_a_single_colour(colour: str, name: str) -> None:
    assert names_of(*[colour] * 11) == [name]


def test_names_keep_the_order_of_the_gradient() -> None:
    assert names_of("e50000", "e50000", "15b01a", "0343df") == ["red", "green", "blue"]
    assert names_of("0343df", "15b01a", "e50000", "e50000") == ["blue", "green", "red"]


def test_names_are_not_repeated() -> None:
    assert names_of("e50000", "0343df", "e50000", "0343df") == ["red", "blue"]


def test_at_most_four_names_that_are_far_apart() -> None:
    random = np.random.default_rng(7)
    oklab = srgb_to_oklab(random.integers(0, 256, (500, 11, 3)).astype(np.uint8))
    known = known_colours()
    points = dict(zip(known.names, known.points, strict=True))
    for names in colour_names(oklab):
        assert 1 <= len(names) <= 4
        for index, name in enumerate(names):
            for other in names[:index]:
                assert np.linalg.norm(points[name] - points[other]) >= MIN_DISTANCE


def test_the_names_farthest_apart_are_kept() -> None:
    # The grey is between the others, so it is the one to go.
    assert names_of("ffffff", "000000", "e50000", "929591", "0343df") == ["white", "black", "red", "blue"]


def test_each_colour_gets_the_nearest_name() -> None:
    random = np.random.default_rng(8)
    oklab = srgb_to_oklab(random.integers(0, 256, (300, 1, 3)).astype(np.uint8))
    known = known_colours()
    distances = np.linalg.norm(oklab * (1, 2, 2) - known.points, axis=-1)
    assert colour_names(oklab) == [[known.names[index]] for index in distances.argmin(axis=1)]
