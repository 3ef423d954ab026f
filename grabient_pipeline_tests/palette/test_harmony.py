"""Harmonies of palettes constructed from the hues of the five samples."""

import numpy as np
import pytest

from grabient_pipeline.palette.harmony import HARMONIES, harmonies

SAMPLED = [0, 2, 5, 8, 10]


def harmony_of(hues: list[float], chromas: list[float] | None = None) -> list[str]:
    # What is not sampled is a strong hue of its own, which would show if it were looked at.
    oklch = np.full((1, 11, 3), 0.3)
    oklch[0, :, 2] = 77
    oklch[0, SAMPLED, 1] = chromas or [0.1] * 5
    oklch[0, SAMPLED, 2] = hues
    return harmonies(oklch)[0]


@pytest.mark.parametrize(
    ("hues", "expected"),
    [
        pytest.param([10, 20, 30, 20, 10], ["monochromatic"], id="one cluster"),
        pytest.param([350, 5, 355, 10, 0], ["monochromatic"], id="one cluster across zero"),
        pytest.param([0, 25, 0, 25, 0], ["monochromatic"], id="25 degrees still join"),
        pytest.param([0, 26, 0, 26, 0], ["analogous"], id="26 degrees do not"),
        pytest.param([0, 24, 26, 24, 0], ["monochromatic"], id="two groups within 15 degrees of each other"),
        pytest.param([0, 0, 90, 90, 90], ["analogous"], id="analogous to 90"),
        pytest.param([0, 0, 91, 91, 91], [], id="nothing at 91"),
        pytest.param([0, 0, 159, 159, 159], [], id="nothing at 159"),
        pytest.param([0, 0, 160, 160, 160], ["complementary"], id="complementary from 160"),
        pytest.param([10, 10, 190, 190, 190], ["complementary"], id="complementary"),
        pytest.param([0, 0, 0, 120, 240], ["triadic"], id="triadic"),
        pytest.param([0, 0, 0, 139, 221], ["triadic", "split-complementary"], id="within tolerance of both"),
        pytest.param([0, 0, 0, 160, 210], ["complementary", "split-complementary"], id="split-complementary"),
        pytest.param([0, 0, 90, 180, 270], ["complementary", "tetradic"], id="tetradic"),
        pytest.param([0, 0, 0, 90, 270], ["complementary"], id="three of four are not tetradic"),
    ],
)
def test_harmony(hues: list[float], expected: list[str]) -> None:
    assert harmony_of(hues) == expected
    # A turn of the whole circle changes nothing.
    assert harmony_of([(hue + 201) % 360 for hue in hues]) == expected


def test_the_group_with_the_most_chroma_comes_first() -> None:
    hues = [0.0, 0.0, 0.0, 101.0, 221.0]
    assert harmony_of(hues) == ["triadic"]
    hues = [0.0, 150.0, 150.0, 210.0, 210.0]
    assert harmony_of(hues, [0.3, 0.1, 0.1, 0.1, 0.1]) == ["split-complementary"]
    assert harmony_of(hues, [0.05, 0.1, 0.1, 0.1, 0.1]) == []


def test_a_group_has_the_mean_hue_of_its_members_weighted_by_chroma() -> None:
    # 0 and 20 join; near 20 the group is 89 from 107, near 0 it is 105 from it.
    hues = [0.0, 20.0, 107.0, 107.0, 107.0]
    assert harmony_of(hues, [0.03, 0.3, 0.1, 0.1, 0.1]) == ["analogous"]
    assert harmony_of(hues, [0.3, 0.03, 0.1, 0.1, 0.1]) == []


def test_nearly_grey_samples_are_ignored() -> None:
    assert harmony_of([0, 180, 90, 270, 0], [0.1, 0.02, 0.02, 0.02, 0.1]) == ["monochromatic"]
    assert harmony_of([0, 180, 90, 270, 0], [0.1, 0.021, 0.02, 0.02, 0.1]) == ["complementary"]
    assert harmony_of([0, 180, 90, 270, 0], [0.02] * 5) == ["achromatic"]


def test_never_more_than_three() -> None:
    random = np.random.default_rng(5)
    oklch = np.stack(
        [random.random((1000, 11)), random.random((1000, 11)) * 0.2, random.random((1000, 11)) * 360], axis=-1
    )
    found = harmonies(oklch)
    assert max(map(len, found)) <= 3
    assert {name for names in found for name in names} <= set(HARMONIES)
    assert found == [harmonies(row[np.newaxis])[0] for row in oklch]
