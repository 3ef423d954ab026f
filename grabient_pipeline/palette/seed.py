"""Seeds: the strings that encode palettes, decoded from three encodings and encoded in one.

A seed holds 12 coefficients, `a b c d` for red, green and blue each, and 4 global modifiers (exposure, contrast,
frequency, phase), all with three decimals. `gradient` computes the colours.
"""

import base64
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from numpy.typing import NDArray

from grabient_pipeline.palette.lz_string import LzStringError, decompress

COEFFICIENT_COUNT = 12
GLOBAL_COUNT = 4
DEFAULT_GLOBALS = (0.0, 1.0, 1.0, 0.0)
CANONICAL_LENGTH = 37

# No encoding of 16 numbers needs more; the limit bounds the time that a hostile string can take.
MAX_SEED_LENGTH = 4096

MAX_PHASE = 1.001
_GLOBAL_RANGES = (
    ("exposure", -1.0, 1.0),
    ("contrast", 0.0, 2.0),
    ("frequency", 0.0, 2.0),
    ("phase", -MAX_PHASE, MAX_PHASE),
)

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_DIGITS = {character: value for value, character in enumerate(_ALPHABET)}
_PREFIX = "_"
_COEFFICIENT_WIDTH = 3
_GLOBAL_WIDTH = 2
_COEFFICIENTS_LENGTH = COEFFICIENT_COUNT * _COEFFICIENT_WIDTH
_FULL_LENGTH = _COEFFICIENTS_LENGTH + GLOBAL_COUNT * _GLOBAL_WIDTH
_COEFFICIENT_ZERO = 64**_COEFFICIENT_WIDTH // 2
_GLOBAL_ZERO = 64**_GLOBAL_WIDTH // 2
_SCALE = 1000

MIN_COEFFICIENT = -_COEFFICIENT_ZERO / _SCALE
MAX_COEFFICIENT = (_COEFFICIENT_ZERO - 1) / _SCALE

# ASCII only: float() would accept digits of any script, underscores and "nan".
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_THOUSANDTH = Decimal("0.001")


class InvalidSeedError(ValueError):
    """The text is not a seed; the message says why."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A palette's numbers, which the constructor clamps, checks and rounds.

    Args:
        coefficients: `a b c d`, each for red, green, blue.
        global_modifiers: exposure, contrast, frequency, phase.

    Raises:
        InvalidSeedError: the wrong number of values, a value that is not finite, or a modifier outside its range.
    """

    coefficients: tuple[float, ...]
    global_modifiers: tuple[float, ...] = DEFAULT_GLOBALS

    def __post_init__(self) -> None:
        if len(self.coefficients) != COEFFICIENT_COUNT or len(self.global_modifiers) != GLOBAL_COUNT:
            found = f"{len(self.coefficients)} and {len(self.global_modifiers)}"
            raise InvalidSeedError(f"a palette has 12 coefficients and 4 global modifiers, not {found}")
        if not all(map(math.isfinite, (*self.coefficients, *self.global_modifiers))):
            raise InvalidSeedError("a value is not finite")
        # Checked before rounding: 2.0004 is out of range though it rounds to 2.
        for value, (name, lowest, highest) in zip(self.global_modifiers, _GLOBAL_RANGES, strict=True):
            if not lowest <= value <= highest:
                raise InvalidSeedError(f"{name} {value:g} is outside {lowest:g} to {highest:g}")

        clamped = [min(max(value, MIN_COEFFICIENT), MAX_COEFFICIENT) for value in self.coefficients]
        object.__setattr__(self, "coefficients", tuple(map(_round_to_thousandths, clamped)))
        object.__setattr__(self, "global_modifiers", tuple(map(_round_to_thousandths, self.global_modifiers)))

    @property
    def applied_coefficients(self) -> tuple[float, ...]:
        """The 12 coefficients with the global modifiers applied to every channel, not rounded."""
        exposure, contrast, frequency, phase = self.global_modifiers
        a, b, c, d = (self.coefficients[start : start + 3] for start in range(0, COEFFICIENT_COUNT, 3))
        return (
            *(value + exposure for value in a),
            *(value * contrast for value in b),
            *(value * frequency for value in c),
            *(value + phase for value in d),
        )


def decode_seed(text: str) -> Seed:
    """Decode a seed in any of the three encodings: aligned, decimal, or legacy (lz-string).

    Raises:
        InvalidSeedError: the text is not a seed. No other exception is raised.
    """
    if not text:
        raise InvalidSeedError("the seed is empty")
    if len(text) > MAX_SEED_LENGTH:
        raise InvalidSeedError(f"the seed is longer than {MAX_SEED_LENGTH} characters")
    if text.startswith(_PREFIX):
        return _decode_aligned(text[len(_PREFIX) :])
    if "," in text:
        return _decode_numbers(text)
    try:
        numbers = decompress(text, max_length=MAX_SEED_LENGTH)
    except LzStringError as error:
        raise InvalidSeedError(f"not an lz-string seed: {error}") from None
    if not numbers:
        raise InvalidSeedError("not an lz-string seed: it decompresses to nothing")
    return _decode_numbers(numbers)


def encode_seed(seed: Seed) -> str:
    """Encode a seed in the aligned encoding, without the globals block if all globals are the defaults."""
    # Compares rounded thousandths: in floats 1.001 - 1 is less than 0.001, and the modifier would be lost.
    modifiers = () if seed.global_modifiers == DEFAULT_GLOBALS else seed.global_modifiers
    characters = [_PREFIX]
    for value in seed.coefficients:
        steps = round(value * _SCALE) + _COEFFICIENT_ZERO
        characters += (_ALPHABET[steps >> 12], _ALPHABET[steps >> 6 & 63], _ALPHABET[steps & 63])
    for value in modifiers:
        steps = round(value * _SCALE) + _GLOBAL_ZERO
        characters += (_ALPHABET[steps >> 6], _ALPHABET[steps & 63])
    return "".join(characters)


def canonical_seed(seed: Seed) -> str:
    """Return the identity of a palette across encodings: globals applied, aligned, always 37 characters."""
    if seed.global_modifiers == DEFAULT_GLOBALS:
        return encode_seed(seed)
    return encode_seed(Seed(seed.applied_coefficients))


def palette_id(canonical: str) -> str:
    """Return the id of a canonical seed: 16 characters of `[a-z2-7]`."""
    return base64.b32encode(hashlib.sha256(canonical.encode()).digest()[:10]).decode().lower()


def coefficients_of(canonical_seeds: Sequence[str]) -> NDArray[np.float64]:
    """Return the coefficients of many canonical seeds at once: an array (n, 12).

    Raises:
        InvalidSeedError: a seed is not 37 characters in the aligned encoding; the message has the first one.
    """
    joined = "".join(canonical_seeds).encode("ascii", errors="replace")
    well_formed = len(joined) == CANONICAL_LENGTH * len(canonical_seeds) and all(
        len(text) == CANONICAL_LENGTH and text[0] == _PREFIX for text in canonical_seeds
    )
    if well_formed:
        characters = np.frombuffer(joined, dtype=np.uint8).reshape(-1, CANONICAL_LENGTH)[:, 1:]
        digits = _DIGIT_OF_BYTE[characters].reshape(-1, COEFFICIENT_COUNT, _COEFFICIENT_WIDTH)
        if (digits >= 0).all():
            steps = (digits[..., 0] << 12) + (digits[..., 1] << 6) + digits[..., 2]
            # One correctly rounded division gives the same number as parsing the three decimals.
            return (steps - _COEFFICIENT_ZERO) / _SCALE
    for text in canonical_seeds:
        if len(text) != CANONICAL_LENGTH or encode_seed(decode_seed(text)) != text:
            raise InvalidSeedError(f"not a canonical seed: {text[:60]!r}")
    raise AssertionError("a seed that reads one by one does not read in bulk")


def _decode_aligned(payload: str) -> Seed:
    if len(payload) not in (_COEFFICIENTS_LENGTH, _FULL_LENGTH):
        wanted = f"{_COEFFICIENTS_LENGTH} or {_FULL_LENGTH}"
        raise InvalidSeedError(f"{len(payload)} characters follow the underscore; {wanted} are needed")
    try:
        digits = [_DIGITS[character] for character in payload]
    except KeyError as error:
        raise InvalidSeedError(f"{error.args[0]!r} is not in the alphabet of aligned seeds") from None
    coefficients = tuple(
        ((digits[i] << 12) + (digits[i + 1] << 6) + digits[i + 2] - _COEFFICIENT_ZERO) / _SCALE
        for i in range(0, _COEFFICIENTS_LENGTH, _COEFFICIENT_WIDTH)
    )
    modifiers = tuple(
        ((digits[i] << 6) + digits[i + 1] - _GLOBAL_ZERO) / _SCALE
        for i in range(_COEFFICIENTS_LENGTH, len(digits), _GLOBAL_WIDTH)
    )
    return Seed(coefficients, modifiers or DEFAULT_GLOBALS)


def _decode_numbers(text: str) -> Seed:
    values = [_number(token.strip()) for token in text.split(",")]
    if len(values) == COEFFICIENT_COUNT:
        return Seed(tuple(values))
    if len(values) != COEFFICIENT_COUNT + GLOBAL_COUNT:
        raise InvalidSeedError(f"{len(values)} values; 12 or 16 are needed")
    *others, phase = values
    # Seeds of the first years have the phase in radians; a phase in cycles is never outside this range.
    if abs(phase) > MAX_PHASE:
        phase /= math.pi
    return Seed(tuple(others[:COEFFICIENT_COUNT]), (*others[COEFFICIENT_COUNT:], phase))


def _number(token: str) -> float:
    if not _NUMBER.fullmatch(token):
        raise InvalidSeedError(f"{token[:60]!r} is not a number" if token else "a value is empty")
    return float(token)


def _round_to_thousandths(value: float) -> float:
    """Round to three decimals, exact ties of the binary value away from zero, and never to -0."""
    scaled = value * _SCALE
    steps = round(scaled)
    # Floats suffice except for near ties, where the multiplication itself may have rounded.
    if abs(scaled - steps) > 0.499999:
        return float(Decimal(value).quantize(_THOUSANDTH, ROUND_HALF_UP)) + 0.0
    return steps / _SCALE


_DIGIT_OF_BYTE = np.full(256, -1, dtype=np.int32)
_DIGIT_OF_BYTE[np.frombuffer(_ALPHABET.encode(), dtype=np.uint8)] = np.arange(64)
