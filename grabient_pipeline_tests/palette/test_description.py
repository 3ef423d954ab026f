"""Descriptions of palettes: equal one by one and in bulk, and the JSON for models."""

import subprocess
import sys

import numpy as np
import orjson
import pytest

from grabient_pipeline.palette import InvalidSeedError, PaletteDescription, describe_palettes
from grabient_pipeline.palette.colour_data import COLOUR_DATA_FORMAT
from grabient_pipeline.palette.seed import Seed, encode_seed

ALIGNED = "_gIIgHMgJigFKgEigDwgOEgK8gImgBQgDSgHW"
WITH_GLOBALS = "_gH-gJ2gKogETgGEgImgOEgLIgJYf-wgCqgH-"
PHASED = "_gH0gH0gH0gGQgEsgDIgPogPogPogMcgOygRI"
SATURATED = "_gH0f84gUUgOEgBkgDIgPogPo___gAAgD6AAA"
GREY = "_gH0gH0gH0gAAgAAgAAgPogPogPogAAgAAgAA"


def random_seeds(count: int) -> list[str]:
    random = np.random.default_rng(23)
    values = random.uniform(-1, 2, (count, 12)).round(3)
    return [encode_seed(Seed(tuple(row))) for row in values.tolist()]


@pytest.mark.parametrize(
    ("seed", "harmony"),
    [
        pytest.param(ALIGNED, [], id="none"),
        pytest.param(WITH_GLOBALS, ["complementary", "split-complementary"], id="two"),
        pytest.param(PHASED, ["complementary", "tetradic"], id="tetradic"),
        pytest.param(SATURATED, ["analogous"], id="analogous"),
        pytest.param(GREY, ["achromatic"], id="grey"),
    ],
)
def test_harmony_of_fixed_palettes(seed: str, harmony: list[str]) -> None:
    assert describe_palettes([seed])[0].harmony == harmony


def test_a_description() -> None:
    found = describe_palettes([ALIGNED])[0]
    assert found.hex[0] == "#ce885f"
    assert (found.temperature, found.contrast, found.brightness) == ("cool-warm", "high", "varied")
    assert found.saturation == "mixed"
    assert 1 <= len(found.colour_names) <= 4


def test_colour_data_is_compact_and_in_its_format() -> None:
    found = describe_palettes([ALIGNED])[0]
    data = orjson.loads(found.colour_data)
    assert list(data) == ["hex", "rgb", "hsl", "lch", "colorNames"]
    assert [len(data[key]) for key in ("hex", "rgb", "hsl", "lch")] == [11] * 4
    assert data["hex"] == found.hex
    assert data["colorNames"] == found.colour_names
    assert (data["rgb"][0], data["hsl"][0], data["lch"][0]) == ([206, 136, 95], [22, 53, 59], [63, 40, 56])
    assert found.colour_data == orjson.dumps(data)
    assert len(found.colour_data) < 700
    assert all(key in COLOUR_DATA_FORMAT for key in data)


def test_descriptions_in_bulk_equal_those_one_by_one() -> None:
    seeds = [ALIGNED, GREY, *random_seeds(300), SATURATED]
    assert describe_palettes(seeds) == [describe_palettes([seed])[0] for seed in seeds]


def test_results_do_not_depend_on_the_chunk_size(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = random_seeds(50)
    whole = describe_palettes(seeds)
    monkeypatch.setattr("grabient_pipeline.palette.description._CHUNK", 7)
    assert describe_palettes(seeds) == whole


def test_no_palettes() -> None:
    assert describe_palettes([]) == []


def test_a_description_is_immutable() -> None:
    found = describe_palettes([GREY])[0]
    assert isinstance(found, PaletteDescription)
    with pytest.raises(AttributeError):
        found.contrast = "high"  # pyright: ignore[reportAttributeAccessIssue]


def test_rejects_seeds_that_are_not_canonical() -> None:
    with pytest.raises(InvalidSeedError, match="not a canonical seed"):
        describe_palettes(["0.5,0.5,0.5,0,0,0,1,1,1,0,0,0"])


def test_the_domain_imports_no_framework() -> None:
    """Notebooks and the command line import it first; a picture library or a framework would slow them down."""
    code = "import sys, grabient_pipeline.palette; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"PIL", "dagster", "duckdb", "polars", "pydantic", "matplotlib"} & set(loaded)
