"""From a seed as somebody wrote it to the palette that it is."""

from dataclasses import dataclass

from grabient_pipeline.palette.seed import canonical_seed, decode_seed, palette_id


@dataclass(frozen=True, slots=True)
class Palette:
    """A palette: its seed as given, what identifies it, and its 12 coefficients with the globals applied."""

    seed: str
    canonical_seed: str
    palette_id: str
    coefficients: tuple[float, ...]


def read_palette(text: str) -> Palette:
    """Reads a seed in any encoding. Raises `InvalidSeedError` with the reason for what is not a palette."""
    seed = decode_seed(text)
    canonical = canonical_seed(seed)
    return Palette(text, canonical, palette_id(canonical), seed.applied_coefficients)
