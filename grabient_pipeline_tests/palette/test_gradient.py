"""Colours of fixed palettes, the same in every implementation of these seeds."""

import numpy as np
import pytest

from grabient_pipeline.palette import describe_palettes, read_palette
from grabient_pipeline.palette.gradient import gradient, hex_colours

PHASE_BASE = "0.3,0.4,0.5,0.3,0.3,0.3,0.5,0.5,0.5,0,0.1,0.2,0,1,1,"
BEFORE_THE_PHASE_BOUNDARY = "#99a497 #95937f #8a7d67 #796652 #644e41 #4c3937 #342833 #1f1d37 #0e1a42 #041d53 #002868"


@pytest.mark.parametrize(
    ("text", "colours"),
    [
        pytest.param(
            "_gIIgHMgJigFKgEigDwgOEgK8gImgBQgDSgHW",
            "#ce885f #ad675f #7f4a66 #533473 #362b85 #32319a #4743ae #705ec1 #9f7fcf #c59dd7 #d8b4d8",
            id="aligned",
        ),
        pytest.param(
            "_gGagISgJEgDcgE2gG4gSwgO2gMggB4gFygLGhkziruc4",
            "#c0d021 #c8a62e #bb7b4d #9c577a #7542ad #523fe1 #3e50ff #3f70ff #559aff #79c6ff #a0eaff",
            id="aligned with globals, blue clamped",
        ),
        pytest.param(
            " .0625,+0.5625, 4.1e-1,-.3,.25,1e-1,0.75,1.5,.5,0,.33333,-0.6666",
            "#00705c #005056 #006551 #049d4f #28ca50 #46c752 #599657 #5c605e #4e5166 #33766e #10af75",
            id="decimal",
        ),
        pytest.param(
            "0.5,0.5,0.5,0.4,0.3,0.2,1,1,1,0.0,0.15,0.3,0,1,1,2.5",
            "#9dc8aa #d0c990 #e5ae71 #d48157 #a1544d #623755 #2f366f #1a518e #2b7ea8 #5eabb2 #9dc8aa",
            id="decimal, phase in radians",
        ),
        pytest.param(
            "HQFg7ANMDMAcUDYFQEwEYIFphssArBGjgAwlSz7nAJkTUqHYhA",
            "#ad6141 #a17764 #828790 #5e8cc0 #4686ed #4575ff #5b5eff #7f49ff #9f3aff #ad36fa #a33ed0",
            id="legacy",
        ),
        pytest.param(
            "HQVgNMBsBMECz3MWwDMSAcAGLYCMwOuoOEeEISAnGALTB6b4m60EgDseQA",
            "#0f9f06 #488400 #8a6000 #b24f0d #aa602a #76844b #329f6a #04997f #047887 #32577f #76516a",
            id="legacy, phase in radians",
        ),
        pytest.param(
            "0.5,-0.2,1.3,0.9,0.1,0.2,1,1,200,0,0.25,-500",
            "#ff00ff #ff00ff #c600ff #3900ff #0000ff #0000ff #0000ff #3900ff #c600ff #ff00ff #ff00ff",
            id="saturated channels",
        ),
        pytest.param("0.5,0.5,0.5,0,0,0,1,1,1,0,0,0", " ".join(["#808080"] * 11), id="127.5 rounds up"),
        pytest.param(PHASE_BASE + "1.001", BEFORE_THE_PHASE_BOUNDARY, id="phase 1.001"),
        pytest.param(PHASE_BASE + "3.1447", BEFORE_THE_PHASE_BOUNDARY, id="phase 3.1447"),
        pytest.param(
            PHASE_BASE + "1.002",
            "#2c2334 #181b3a #0a1a47 #01215a #012e71 #074189 #1457a0 #276fb4 #3e86c2 #569acb #6da9cb",
            id="phase 1.002",
        ),
    ],
)
def test_colours(text: str, colours: str) -> None:
    palette = read_palette(text)
    assert hex_colours(gradient(np.array([palette.coefficients]))) == colours.split()
    assert describe_palettes([palette.canonical_seed])[0].hex == colours.split()


def test_steps_run_from_the_first_to_the_last_position() -> None:
    # Red falls along half a cosine from 1 to 0.
    coefficients = np.array([[0.5, 0, 0, 0.5, 0, 0, 0.5, 0, 0, 0, 0, 0]])
    assert gradient(coefficients, steps=3)[0, :, 0].tolist() == [255, 128, 0]
    assert gradient(coefficients, steps=1)[0, :, 0].tolist() == [255]
    assert gradient(np.empty((0, 12))).shape == (0, 11, 3)
