"""The seed codec: fixed vectors, rejected seeds with their reasons, and properties of every seed and string."""

import time
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lzstring import LZString

from grabient_pipeline.palette import read_palette
from grabient_pipeline.palette.seed import (
    DEFAULT_GLOBALS,
    MAX_SEED_LENGTH,
    InvalidSeedError,
    Seed,
    canonical_seed,
    coefficients_of,
    decode_seed,
    encode_seed,
    palette_id,
)

ALIGNED = "_gIIgHMgJigFKgEigDwgOEgK8gImgBQgDSgHW"
ALIGNED_WITH_GLOBALS = "_gGagISgJEgDcgE2gG4gSwgO2gMggB4gFygLGhkziruc4"
TOLERANT_DECIMAL = " .0625,+0.5625, 4.1e-1,-.3,.25,1e-1,0.75,1.5,.5,0,.33333,-0.6666"
RADIANS_DECIMAL = "0.5,0.5,0.5,0.4,0.3,0.2,1,1,1,0.0,0.15,0.3,0,1,1,2.5"
LEGACY = "HQFg7ANMDMAcUDYFQEwEYIFphssArBGjgAwlSz7nAJkTUqHYhA"
LEGACY_WITH_RADIANS = "HQVgNMBsBMECz3MWwDMSAcAGLYCMwOuoOEeEISAnGALTB6b4m60EgDseQA"
PHASE_BASE = "0.3,0.4,0.5,0.3,0.3,0.3,0.5,0.5,0.5,0,0.1,0.2,0,1,1,"
TWELVE = "0.5,0.4,0.3,0.2,0.2,0.2,1,1,1,0,0.1,0.2"


@pytest.mark.parametrize(
    ("text", "coefficients", "modifiers", "canonical"),
    [
        pytest.param(
            ALIGNED,
            (0.52, 0.46, 0.61, 0.33, 0.29, 0.24, 0.9, 0.7, 0.55, 0.08, 0.21, 0.47),
            DEFAULT_GLOBALS,
            ALIGNED,
            id="aligned",
        ),
        pytest.param(
            ALIGNED_WITH_GLOBALS,
            (0.41, 0.53, 0.58, 0.22, 0.31, 0.44, 1.2, 0.95, 0.8, 0.12, 0.37, 0.71),
            (0.1, 1.25, 0.75, -0.2),
            "_gH-gJ2gKogETgGEgImgOEgLIgJYf-wgCqgH-",
            id="aligned with globals",
        ),
        pytest.param(
            TOLERANT_DECIMAL,
            (0.063, 0.563, 0.41, -0.3, 0.25, 0.1, 0.75, 1.5, 0.5, 0, 0.333, -0.667),
            DEFAULT_GLOBALS,
            "_gA_gIzgGaf7UgD6gBkgLugXcgH0gAAgFNf1l",
            id="decimal, tolerant spelling and exact ties",
        ),
        pytest.param(
            RADIANS_DECIMAL,
            (0.5, 0.5, 0.5, 0.4, 0.3, 0.2, 1, 1, 1, 0, 0.15, 0.3),
            (0, 1, 1, 0.796),
            "_gH0gH0gH0gGQgEsgDIgPogPogPogMcgOygRI",
            id="decimal, phase in radians",
        ),
        pytest.param(
            LEGACY,
            (0.47, 0.38, 0.66, 0.21, -0.17, 0.5, 1.1, 0.85, 0.6, 0, 0.25, -0.4),
            DEFAULT_GLOBALS,
            "_gHWgF8gKUgDSf9WgH0gRMgNSgJYgAAgD6f5w",
            id="legacy",
        ),
        pytest.param(
            LEGACY_WITH_RADIANS,
            (0.5, 0.62, 0.4, 0.45, 0.2, 0.35, 0.8, 1, 0.5, 0.1, 0.55, 0.9),
            (-0.15, 0.8, 1.5, -0.5),
            "_gFegHWgD6gFogCggEYgSwgXcgLuf5wgAygGQ",
            id="legacy, phase in radians",
        ),
        pytest.param(
            "0.5,-0.2,1.3,0.9,0.1,0.2,1,1,200,0,0.25,-500",
            (0.5, -0.2, 1.3, 0.9, 0.1, 0.2, 1, 1, 131.071, 0, 0.25, -131.072),
            DEFAULT_GLOBALS,
            "_gH0f84gUUgOEgBkgDIgPogPo___gAAgD6AAA",
            id="coefficients are clamped",
        ),
        pytest.param(
            "0.5,0.5,0.5,0,0,0,1,1,1,0,0,0",
            (0.5, 0.5, 0.5, 0, 0, 0, 1, 1, 1, 0, 0, 0),
            DEFAULT_GLOBALS,
            "_gH0gH0gH0gAAgAAgAAgPogPogPogAAgAAgAA",
            id="flat grey",
        ),
        *(
            pytest.param(
                PHASE_BASE + phase,
                (0.3, 0.4, 0.5, 0.3, 0.3, 0.3, 0.5, 0.5, 0.5, 0, 0.1, 0.2),
                (0, 1, 1, cycles),
                canonical,
                id=f"phase {phase}",
            )
            for phase, cycles, canonical in (
                ("1.001", 1.001, "_gEsgGQgH0gEsgEsgEsgH0gH0gH0gPpgRNgSx"),
                ("1.002", 0.319, "_gEsgGQgH0gEsgEsgEsgH0gH0gH0gE_gGjgIH"),
                ("3.1447", 1.001, "_gEsgGQgH0gEsgEsgEsgH0gH0gH0gPpgRNgSx"),
            )
        ),
    ],
)
def test_reads_the_three_encodings(
    text: str, coefficients: tuple[float, ...], modifiers: tuple[float, ...], canonical: str
) -> None:
    seed = decode_seed(text)
    assert seed.coefficients == coefficients
    assert seed.global_modifiers == modifiers
    assert canonical_seed(seed) == canonical


def test_writes_the_globals_only_where_they_differ_from_the_defaults() -> None:
    assert encode_seed(decode_seed(ALIGNED + "gAvovogA")) == ALIGNED
    assert encode_seed(decode_seed(ALIGNED_WITH_GLOBALS)) == ALIGNED_WITH_GLOBALS
    assert encode_seed(decode_seed(RADIANS_DECIMAL)) == "_gH0gH0gH0gGQgEsgDIgPogPogPogAAgCWgEsgAvovosc"
    # 1.001 - 1 is below 0.001 in floats, yet it is a different palette.
    one_step_off = Seed((0.5,) * 12, (0.0, 1.001, 1.0, 0.0))
    assert decode_seed(encode_seed(one_step_off)) == one_step_off


# What is appended to ALIGNED is a globals block: exposure, contrast, frequency, phase, two characters each.
# "vo" is 1.000 and "gA" is 0; "3c" is 1.500, "f_" is -0.001 and "vq" is 1.002.
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param("_", "0 characters follow", id="prefix alone"),
        pytest.param(ALIGNED[:-1], "35 characters follow", id="a character short"),
        pytest.param(ALIGNED + "AA", "38 characters follow", id="two characters long"),
        pytest.param(ALIGNED[:5] + "+" + ALIGNED[6:], "alphabet", id="plus"),
        pytest.param(ALIGNED[:5] + "=" + ALIGNED[6:], "alphabet", id="padding"),
        pytest.param(ALIGNED[:5] + "," + ALIGNED[6:], "alphabet", id="aligned with a comma is not decimal"),
        pytest.param(ALIGNED + " ", "37 characters follow", id="white space after"),
        pytest.param(" " + ALIGNED, "lz-string alphabet", id="white space before"),
        pytest.param(ALIGNED + "3cvovogA", "exposure 1.5", id="exposure too high"),
        pytest.param(ALIGNED + "gAf_vogA", "contrast -0.001", id="contrast below zero"),
        pytest.param(ALIGNED + "gAvovovq", "phase 1.002", id="aligned phase is never in radians"),
        pytest.param(PHASE_BASE + "3.145", "phase 1.00108", id="phase beyond the boundary after the division"),
        pytest.param("0.5,0.4,0.3,0.2,0.2,0.2,1,1,1,0,0.1", "11 values", id="11 values"),
        pytest.param(TWELVE + ",0", "13 values", id="13 values"),
        pytest.param(TWELVE + ",", "a value is empty", id="empty token"),
        pytest.param("," * 15, "a value is empty", id="only commas"),
        *(
            pytest.param(TWELVE.replace("0.4", token, 1), "not a number", id=f"token {token!r}")
            for token in ("0x1", "5.", "NaN", "Infinity", "1e", "1_0", "١", "0.4 0.4", "--1", ".", "1e5.0")
        ),
        pytest.param(TWELVE.replace("0.4", "1e999", 1), "not finite", id="too large for a float"),
        pytest.param(TWELVE + ",0,2.0004,1,0", "contrast 2.0004", id="range is checked before rounding"),
        pytest.param(TWELVE + ",0,1,1,-9", "phase -2.86479", id="phase beyond radians"),
        pytest.param("palette", "nothing", id="a word"),
        pytest.param("IwGgTCDMICwgrEA", "5 values", id="legacy, 5 values"),
        pytest.param("HQVgNAcghhan57wIxlagDHAzHAbEA", "not a number", id="legacy, NaN"),
        pytest.param("HQVgNKHpPgjGBCAMEDMEBsYNLMoA", "exposure 3", id="legacy, exposure"),
        pytest.param(LEGACY + "*", "lz-string alphabet", id="legacy, foreign character"),
        pytest.param(LEGACY[:-4], "ends before", id="legacy, cut"),
        pytest.param("Q", "nothing", id="legacy, nothing in it"),
        pytest.param("0," * MAX_SEED_LENGTH, "longer than", id="very long"),
    ],
)
def test_rejects_invalid_seeds_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidSeedError, match=reason):
        decode_seed(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LZString.compressToEncodedURIComponent("0" * 100_000), id="decompression bomb"),
        pytest.param("1e" + "9" * (MAX_SEED_LENGTH - 40) + TWELVE[3:], id="huge exponent"),
        pytest.param("1" * (MAX_SEED_LENGTH - 40) + TWELVE[3:], id="thousands of digits"),
        pytest.param("A" * MAX_SEED_LENGTH, id="longest legacy"),
        pytest.param("9" * 10_000_000, id="ten megabytes"),
    ],
)
def test_hostile_input_is_rejected_quickly(text: str) -> None:
    started = time.process_time()
    with pytest.raises(InvalidSeedError) as refusal:
        decode_seed(text)
    assert time.process_time() - started < 0.5
    assert len(str(refusal.value)) < 200


def test_a_number_too_small_for_a_float_is_zero() -> None:
    assert decode_seed(TWELVE.replace("0.4", "-1e-999", 1)).coefficients[1] == 0
    assert str(decode_seed(TWELVE.replace("0.4", "-0.0004", 1)).coefficients[1]) == "0.0"


thousandths = st.integers(-131_072, 131_071).map(lambda steps: steps / 1000)
seeds = st.builds(
    Seed,
    st.tuples(*[thousandths] * 12),
    st.one_of(
        st.just(DEFAULT_GLOBALS),
        st.tuples(
            st.integers(-1000, 1000).map(lambda steps: steps / 1000),
            st.integers(0, 2000).map(lambda steps: steps / 1000),
            st.integers(0, 2000).map(lambda steps: steps / 1000),
            st.integers(-1001, 1001).map(lambda steps: steps / 1000),
        ),
    ),
)


@given(seeds)
def test_every_seed_survives_a_round_trip(seed: Seed) -> None:
    assert decode_seed(encode_seed(seed)) == seed


@given(seeds)
def test_every_palette_has_one_canonical_form(seed: Seed) -> None:
    canonical = canonical_seed(seed)
    assert len(canonical) == 37
    assert canonical_seed(decode_seed(canonical)) == canonical
    assert coefficients_of([canonical]).tolist() == [list(decode_seed(canonical).coefficients)]


@given(seeds)
def test_the_decimal_and_legacy_spellings_are_the_same_palette(seed: Seed) -> None:
    text = ",".join(f"{value:.3f}" for value in (*seed.coefficients, *seed.global_modifiers))
    assert decode_seed(text) == seed
    assert decode_seed(LZString.compressToEncodedURIComponent(text)) == seed


@given(st.lists(st.floats(-200, 200), min_size=12, max_size=12))
@example([0.0625, 0.5625, 0.0005, 0.0015, 2.0005, -0.0005, 1.0005, 100.0005, 0.3125, 0.9375, 131.0715, -131.0725])
def test_rounds_the_exact_binary_value_half_away_from_zero(values: list[float]) -> None:
    expected = [
        float(Decimal(min(max(value, -131.072), 131.071)).quantize(Decimal("0.001"), ROUND_HALF_UP)) + 0.0
        for value in values
    ]
    assert list(map(repr, Seed(tuple(values)).coefficients)) == list(map(repr, expected))


@given(
    st.one_of(
        st.text(),
        st.text(st.sampled_from("ABCabcXYZxyz0123456789+-$_")),
        st.text(st.sampled_from("0123456789.,+-eE NaInf_x \t٣"), max_size=120),
        st.text(st.sampled_from("gAvoH0f_-"), min_size=36, max_size=44).map(lambda payload: "_" + payload),
        st.integers(0, len(LEGACY)).map(lambda cut: LEGACY[:cut] + LEGACY[cut + 1 :]),
    )
)
@example("\ud800")
@example("_" + "\ud800" * 36)
def test_any_string_decodes_or_raises_an_invalid_seed_error(text: str) -> None:
    try:
        seed = decode_seed(text)
    except InvalidSeedError:
        return
    assert decode_seed(encode_seed(seed)) == seed


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(((0.5,) * 11, DEFAULT_GLOBALS), id="11 coefficients"),
        pytest.param(((0.5,) * 12, (0.0, 1.0, 1.0)), id="3 globals"),
        pytest.param(((float("nan"), *(0.5,) * 11), DEFAULT_GLOBALS), id="not a number"),
        pytest.param(((0.5,) * 12, (0.0, 1.0, 1.0, float("inf"))), id="infinite global"),
    ],
)
def test_the_constructor_rejects_invalid_values(values: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    with pytest.raises(InvalidSeedError):
        Seed(*values)


def test_the_id_of_a_palette_never_changes() -> None:
    """Ids are stored and are file names, so this string must never change."""
    assert palette_id(ALIGNED) == "lby25yh2jbi4ffuh"


def test_a_palette_keeps_its_seed_as_given() -> None:
    palette = read_palette(ALIGNED_WITH_GLOBALS)
    assert palette.seed == ALIGNED_WITH_GLOBALS
    assert palette.canonical_seed == "_gH-gJ2gKogETgGEgImgOEgLIgJYf-wgCqgH-"
    assert palette.palette_id == palette_id(palette.canonical_seed)
    assert palette.coefficients == pytest.approx(
        (0.51, 0.63, 0.68, 0.275, 0.3875, 0.55, 0.9, 0.7125, 0.6, -0.08, 0.17, 0.51)
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ALIGNED_WITH_GLOBALS, id="with globals"),
        pytest.param(ALIGNED[:-1] + "=", id="foreign character"),
        pytest.param(ALIGNED[:-1] + "é", id="not ASCII"),
        pytest.param("A" + ALIGNED[1:], id="no prefix"),
        pytest.param(ALIGNED[:-1], id="short"),
        pytest.param("", id="empty"),
    ],
)
def test_reading_in_bulk_rejects_seeds_that_are_not_canonical(text: str) -> None:
    with pytest.raises(InvalidSeedError):
        coefficients_of([ALIGNED, text, ALIGNED])


def test_reading_in_bulk_rejects_wrong_lengths_with_the_right_sum() -> None:
    with pytest.raises(InvalidSeedError):
        coefficients_of([ALIGNED[:-1], ALIGNED + "_"])


def test_reading_no_seeds_in_bulk() -> None:
    assert coefficients_of([]).shape == (0, 12)
    assert coefficients_of([]).dtype == np.float64
