"""Read a palette from a seed in any encoding."""

from dataclasses import dataclass

from grabient_pipeline.palette.seed import canonical_seed, decode_seed, palette_id


@dataclass(frozen=True, slots=True)
class Palette:
    """A palette: its seed as given, its identity, and its 12 coefficients with the global modifiers applied."""

    seed: str
    canonical_seed: str
    palette_id: str
    coefficients: tuple[float, ...]


def read_palette(text: str) -> Palette:
    """Read a seed in any encoding.

    Raises:
        InvalidSeedError: the text is not a seed; the message says why.
    """
    seed = decode_seed(text)
    canonical = canonical_seed(seed)
    return Palette(text, canonical, palette_id(canonical), seed.applied_coefficients)
