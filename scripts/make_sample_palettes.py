"""Write `grabient_pipeline/samples/sample_palettes.jsonl`, the 182 sample palettes.

There are three kinds: cosine palettes published by Inigo Quilez, openly licensed colour maps that a cosine gradient
can approximate, and palettes designed for this project, each fitted to a few colours that suit its name. Credits and
licences are in `SAMPLE_PALETTES.md` beside the file. The output is deterministic. At the end the script prints the
errors of the fits.
"""

import sys
from dataclasses import dataclass
from math import pi

import matplotlib as mpl
import numpy as np
import orjson
from lzstring import LZString
from numpy.typing import NDArray

from grabient_pipeline.palette.colour_spaces import srgb_to_oklab
from grabient_pipeline.palette.gradient import STEPS, gradient
from grabient_pipeline.palette.seed import DEFAULT_GLOBALS, Seed, canonical_seed, decode_seed, encode_seed
from grabient_pipeline.settings import SAMPLE_PALETTES

COUNT = 182

# A colour map is left out if any colour of its fit is farther off than this, in OkLab.
MAX_MAP_ERROR = 0.06

QUILEZ = "Inigo Quilez, https://iquilezles.org/articles/palettes/"
# a, b, c, d, each for red, green, blue.
QUILEZ_PALETTES: dict[str, str] = {
    "quilez rainbow": "0.5 0.5 0.5  0.5 0.5 0.5  1 1 1  0 0.33 0.67",
    "quilez copper sky": "0.5 0.5 0.5  0.5 0.5 0.5  1 1 1  0 0.1 0.2",
    "quilez teal and rose": "0.5 0.5 0.5  0.5 0.5 0.5  1 1 1  0.3 0.2 0.2",
    "quilez swamp lantern": "0.5 0.5 0.5  0.5 0.5 0.5  1 1 0.5  0.8 0.9 0.3",
    "quilez dusk and gold": "0.5 0.5 0.5  0.5 0.5 0.5  1 0.7 0.4  0 0.15 0.2",
    "quilez carnival": "0.5 0.5 0.5  0.5 0.5 0.5  2 1 0  0.5 0.2 0.25",
    "quilez coral and moss": "0.8 0.5 0.4  0.2 0.4 0.2  2 1 1  0 0.25 0.25",
}

CC0 = "CC0-1.0"
SMITH = "Matplotlib, by Nathaniel J. Smith and Stéfan van der Walt"
BREWER = "Color specifications and designs by Cynthia Brewer, http://colorbrewer.org/, by way of Matplotlib"
BREWER_LICENCE = "Apache-2.0 style, with acknowledgement"
# Name of the palette, name in Matplotlib, source, licence.
COLOUR_MAPS: tuple[tuple[str, str, str, str], ...] = (
    ("viridis", "viridis", f"{SMITH} and Eric Firing", CC0),
    ("plasma", "plasma", SMITH, CC0),
    ("inferno", "inferno", SMITH, CC0),
    ("magma", "magma", SMITH, CC0),
    ("cividis", "cividis", "Jamie Nuñez, Christopher Anderton, Ryan Renslow, by way of Matplotlib", CC0),
    ("twilight", "twilight", "Bastian Bechtold, by way of Matplotlib", "Matplotlib (PSF-based, BSD-compatible)"),
    (
        "twilight shifted",
        "twilight_shifted",
        "Bastian Bechtold, by way of Matplotlib",
        "Matplotlib (PSF-based, BSD-compatible)",
    ),
    ("turbo", "turbo", "Anton Mikhailov, Google, by way of Matplotlib", "Apache-2.0"),
    *(
        (name, key, BREWER, BREWER_LICENCE)
        for name, key in (
            ("brown and teal", "BrBG"),
            ("pink and yellow green", "PiYG"),
            ("purple and green", "PRGn"),
            ("orange and purple", "PuOr"),
            ("red and grey", "RdGy"),
            ("red and blue", "RdBu"),
            ("red yellow blue", "RdYlBu"),
            ("red yellow green", "RdYlGn"),
            ("spectral", "Spectral"),
            ("blue ramp", "Blues"),
            ("green ramp", "Greens"),
            ("orange ramp", "Oranges"),
            ("purple ramp", "Purples"),
            ("red ramp", "Reds"),
            ("grey ramp", "Greys"),
            ("blue purple ramp", "BuPu"),
            ("purple blue green", "PuBuGn"),
            ("red purple ramp", "RdPu"),
            ("yellow green ramp", "YlGn"),
            ("yellow green blue", "YlGnBu"),
            ("yellow orange brown", "YlOrBr"),
            ("yellow orange red", "YlOrRd"),
        )
    ),
)

DESIGNED = "designed for this project"
# Evenly spaced colours that the palette passes through, from left to right.
DESIGNED_PALETTES: dict[str, str] = {
    # Seasons
    "autumn forest": "3b2a14 8a3b12 d9822b e8b94a 6b6b2a",
    "early spring": "e9f2d0 bfdc8f f6d3dc f2b1c6",
    "spring meadow": "3f8f3a 8ccf4d f4e36b f7b7d0",
    "summer beach": "0e8fb3 5fd0d6 f5e3b3 f2b880",
    "late summer wheat": "8a6a1f d9b04a f3dc8c c7853a",
    "october afternoon": "7a1f12 c8501e eda63c f2d98a",
    "winter frost": "f4fafd c8e2f0 8fb9d6 4f7fa8",
    "first snow": "6f7f92 aebccb e3ebf1 ffffff",
    "november fog": "4d5258 7b8083 a9aaa8 cfccc4",
    "cherry blossom": "5b3a3f c9798f f5bfcd fdeef1",
    # Holidays
    "christmas wreath": "a80f1f c92a2a 7a5a2a 1f6b34 0c4a24",
    "halloween night": "0b0610 3a1150 d95f0e ff9a1f",
    "easter egg": "f9f2a8 b9e6c2 bcd7f5 e3c4ef",
    "valentine": "5c0720 c2184b f26d8e fbd0d6",
    "thanksgiving table": "4a1f12 9c3d16 d98b2b ead9b0",
    "hanukkah candle": "0c2a66 3a6fc4 cfd9e6 f2d27a",
    "diwali lamp": "3d0a3d b0175f f08a1c ffd75a",
    "lunar new year": "7d0410 d11a1f f05a28 ffd24a",
    "st patricks day": "063d1c 12863c 66c24e f0d75b",
    "mardi gras": "4b1378 8a2fa8 e6b31e 1f8a3b",
    "day of the dead": "1a1030 d1177a f58a1f 17a3a3",
    "holi powder": "f0287d f7b21c 3fc65a 2a7ff0",
    "new year fireworks": "070a24 3a2a7a d94f8a ffd98a",
    "kwanzaa": "120d0a a3161c d9a21b 1c6b34",
    # Foods
    "strawberry milkshake": "e0405a f58ca0 fcd0d6 fff3ee",
    "matcha latte": "4f6b2c 8fa85a cfd9a4 f7f0e0",
    "espresso": "1d0f08 4a2a18 8a5a36 d9b48a",
    "lemon sorbet": "fffbe0 fff3a0 ffe455 f2c81e",
    "blueberry pie": "1f1f4f 4a4a9a 9a8cc8 e8cfa0",
    "mint chocolate": "2d160d 5c3a28 8fcfb0 d3f5e4",
    "salted caramel": "5c2e0d a8611f dca35a f6e3c0",
    "watermelon slice": "e8384f f5768a f7f3d8 5fb05a 1f6b34",
    "avocado toast": "3f4f1c 8ca63c d8dc8c c79a62",
    "red wine": "1f040d 5c0c22 8f1f3d c2667a",
    "pumpkin spice": "4f2410 a8521b e0862f f6d6a8",
    "candy shop": "ff5fa2 ffb3d9 a8e6ff 6fd0ff",
    "honey": "6b3a05 c27a0c f2b52a ffe59a",
    "olive grove": "33381a 66702f 9aa35a d6d3a3",
    "raspberry macaron": "8f1240 d63a72 f29ab8 fbe3e6",
    "peach sorbet": "f2785c f9a583 fdccac fff0df",
    # Sea and sky
    "deep ocean": "020b1f 062a52 0b5a82 1f93a6",
    "coral reef": "063f5c 12a0a8 ff8f70 ff5f6b",
    "tropical lagoon": "034f6b 06a3b5 63e0cf e6f9d0",
    "sea glass": "5fa39a 98cdbd c9e6d6 eaf3e4",
    "stormy sea": "1a242e 3a4d5c 6f8793 b3c3c4",
    "arctic ice": "0f4a73 4f9fcb a9dcee f0fbff",
    "clear sky": "1560bd 4a9be8 9ccff7 e6f4fd",
    "sunrise": "2a2a5c a84a7a f58a5c ffd98a",
    "desert sunset": "3b1240 a8245a f0603a ffc25c",
    "blue hour": "0a1230 1f3470 5a6fb5 c9a6c0",
    "northern lights": "06102b 0f5a5c 2fd98a 8a4fd0",
    "milky way": "05040f 241a4a 6a4a8f d9b8d0",
    "full moon": "0b1020 3a4258 8f97a3 f2efe0",
    "thunderstorm": "12141f 343b52 6b6f8c e8e06f",
    "misty harbour": "5c6b78 93a3ab c6cfcc e9e4d6",
    # Landscapes
    "alpine lake": "123f3a 1f7f86 6fc3cf dcefe8",
    "rainforest": "06200f 14532a 3f8a35 9ac24f",
    "mossy stone": "2c3326 55633a 8a9662 b8b8a6",
    "lavender field": "3c2a63 7a5fae b9a3dc dfe3b8",
    "tuscan hills": "5a5a26 9a9440 d9b55c c2703a",
    "red canyon": "42140d 8f3019 cf6538 f2b384",
    "sahara dune": "8a5426 c98a45 e8be7c f8e6bf",
    "savanna": "3f3212 8f7426 d6a43a e0642a",
    "volcano": "0d0807 4a0d0a c2260f ff9a1f",
    "bamboo grove": "22401f 4f7f35 98b85a dbe0a0",
    "heather moor": "3a2d3a 6f4f6f a57fa0 a3a37f",
    "birch wood": "3b3a36 8a8a7f d6d3c4 f5f2e6 a3b35a",
    "pine mountain": "0c1f1a 1f4a3d 5a8073 b0c4c0",
    "salt flats": "b9d3df dfe8ea f5ede6 f0d2c4",
    "sunflower field": "2f4a12 6f8f1a f2c40f ffdf4a 7a4a12",
    "tulip garden": "d11f3f f2703a f9cf3f 4fa03f",
    "rose garden": "1f3a1f 5a7a3f e08aa0 c21f4a",
    "wisteria arbour": "4a3a7a 8a72c2 c3aee6 dfe8c8",
    "iris": "1f1250 4a2fa3 8f6fd9 f0d95a",
    "poppy meadow": "2f4f1c 7a8f2f f05a2a d1161c",
    # Stones and metals
    "amethyst": "230a3f 5a2a8f 9a68cc d9bff0",
    "emerald": "02241a 046b45 1fae6f 9fe8c0",
    "sapphire": "040b33 0f2f8f 2f68d9 a3c8f7",
    "ruby": "26020a 8a0620 d61f45 f78a9a",
    "rose quartz": "c98f94 e6b8ba f5d6d4 fbeeea",
    "lapis lazuli": "0a1444 1f3f9a 5078c2 d9b24a",
    "amber resin": "3f1a04 9a4a08 e08f1a fbd06f",
    "turquoise stone": "0f5f63 2fa8a3 7fd6c4 b58a5a",
    "jade temple": "143a2a 3f7f5c 8fb893 dfe3c8",
    "opal": "cfe3ea e6d3ea f6dcd6 d6f0df",
    "marble hall": "5a5a5f a3a3a6 dcdad8 f8f6f3",
    "granite": "232426 4f5052 7f7d7c a8a29d",
    "slate roof": "1f262d 3f4b57 6a7785 9aa5b0",
    "graphite": "0c0d0f 2b2d31 55585e 8a8d93",
    "antique gold": "3a2a0c 8a6a24 c9a84f f0e0a8",
    "rusted iron": "2a1410 6b2f1a a8542f 8a8078",
    "oxidised copper": "5a2f1a b06a3f 7fae98 3f8a7f",
    # Pastels, neutrals, neon
    "baby nursery": "f9d6e0 fdf0d9 d6efe3 d3e3f7",
    "cotton candy": "ffb3d6 f3c3f0 c9cff9 a8e3fb",
    "pastel rainbow": "ffc2c2 ffeab3 c4f0c2 bfdcff e0c8ff",
    "powder room": "e8c6cc efdcdc f5eeea dcd6dc",
    "linen": "c9b79c ddd0ba ece4d6 f8f5ee",
    "charcoal and cream": "1f1f20 5a5754 b3a99a f5ecd9",
    "black to white": "000000 555555 aaaaaa ffffff",
    "warm grey": "3a3632 6f6860 a39b90 d6cfc4",
    "concrete": "55585a 85888a b0b1b0 d3d2ce",
    "electric lime": "0f1a05 3f8a0a a8f01a eaff5a",
    "highlighter": "f5ff2a 5aff6a ff6ad0 ff9a3a",
    "laser tag": "050514 1020c8 00d9ff 4aff8a",
    "acid rave": "e0ff00 3fff3f 00c8ff d020ff",
    "hot pink pop": "7a0047 e6007e ff5fb8 ffd0ea",
    # Earth tones
    "terracotta pot": "6b2a17 a84a2a d67f57 f0c4a3",
    "clay and sage": "8f5238 c99073 d6cbb3 8a9a78",
    "old leather": "24130b 55301a 8f5c35 bd9468",
    "forest floor": "1c170f 4a3a1f 6f6a35 a39a6a",
    "adobe house": "8f4a2f c9835a e6bf94 5a9aa3",
    # Eras and styles
    "art deco": "0b0f1a 14403f b08a3a f0e3c0",
    "bauhaus": "d62a1f f2c01f f3ead3 1f4fa3",
    "seventies lounge": "4a2410 b5521b e8a52a 6f7a2a",
    "vaporwave": "2a0f5c c43fd0 ff7fc2 5fe3f5",
    "synthwave": "0f0630 5a0f8a f0207a ff9a3a",
    "cyberpunk alley": "06060f 1f1a5a d0107a 0fe3d9",
    "mid century modern": "1f5c66 6a8a6a d9a03a c9502a",
    "rococo": "f0d6d0 d9e3d6 bcd3e3 e8cf98",
    "memphis": "ff5a7a ffd23f 2fc4b5 4a4ad9",
    "grunge": "14140f 3d3f33 6f6450 8f8f7f",
    "nordic interior": "2f3f4a 8aa0a6 dfe3e0 e0c4a0",
    "japanese indigo": "0a1430 1f3563 5a79a8 e6e3d6",
    "moroccan tile": "0f3f7a 1f93a8 e8d9b0 c2572a",
    "mexican fiesta": "d0126a f26a1b f9c81f 0f9a8a",
    "delft porcelain": "0f2a6b 3f68b5 a8c0e0 fafbfd",
    "ukiyo wave": "0c2440 2f5f8a a3c3c9 f0e4c6",
    "pop art": "e6142a ffdf1a 1f8fe6 0f1f6b",
    "gothic cathedral": "0a0a12 2a1f3f 6a1f3a a8884a",
    "space age": "101c3a 3f6a9a d9dfe3 f27a2a",
    "sepia photograph": "24170c 6b4c2c b0906a ecdcc0",
    "impressionist pond": "2f4a6b 5f8f8a a3b87a d9a8c2",
    # Animals, places, moods
    "peacock": "0a1a4f 0f6f8f 1faf7a c9b83a",
    "flamingo": "d93f6a f58a94 fbc0b0 fde8df",
    "monarch butterfly": "0f0a08 a83f0a f28a1a fbe3b8",
    "tiger": "140d08 8f4a0f e88a1f f8e3c0",
    "dragonfly": "0c2a3a 0f7a8f 4fc9b0 d0e87f",
    "robin's nest": "4a3320 8f7050 9ad3d6 d6f0ee",
    "midnight in paris": "060a1f 1c2852 6a5a7f f0c97a",
    "venice canal": "1f5a5a 6fa396 e0c08a c2603f",
    "santorini": "0f4fa8 5fa8e6 e6f0f7 ffffff",
    "london fog": "3a3f47 6f7379 a3a19f d0c3b3",
    "tokyo neon rain": "080c1f 2a2a7a c01f9a 3fd9f0",
    "cosy fireplace": "1a0a06 6b1f0c d9601a ffc96a",
    "meditation": "3f5f6b 7f9f9a c3cfb8 f0e9d6",
    "nostalgia": "6b4f4a b5857a e0bda0 c9cfc0",
    "melancholy": "1c2433 3f4f6b 6f7f94 8a7f8f",
    "cat's eye": "14100a 5c5a0f a8b81f e8f07f",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A palette, its source, and the largest OkLab error of its fit."""

    name: str
    seed: Seed
    source: str
    licence: str
    fit_error: float


def fit(colours: NDArray[np.uint8]) -> Seed:
    """Fit a cosine gradient to 11 colours (11, 3) by least squares, channel by channel.

    The problem is linear for a given frequency, so trying all frequencies in small steps finds the best fit.
    """
    positions = np.linspace(0, 1, STEPS)
    # The eye, and so OkLab, distinguishes much smaller steps between dark colours than between light ones.
    weights = 1 / np.sqrt(colours.max(axis=1) / 255 + 0.05)
    columns: list[tuple[float, float, float, float]] = []
    for channel in (colours / 255).T:
        best: tuple[float, tuple[float, float, float, float]] | None = None
        for frequency in np.arange(0.2, 1.601, 0.01):
            angle = 2 * np.pi * frequency * positions
            basis = np.stack([np.ones(STEPS), np.cos(angle), np.sin(angle)], axis=1)
            (offset, cosine, sine), *_ = np.linalg.lstsq(basis * weights[:, np.newaxis], channel * weights)
            amplitude = float(np.hypot(cosine, sine))
            phase = float(np.arctan2(-sine, cosine) / (2 * np.pi)) % 1
            difference = np.clip(basis @ (offset, cosine, sine), 0, 1) - channel
            error = float(np.square(difference * weights).sum())
            # Penalise large amplitudes: people cannot adjust a palette with an offset of 5 and an amplitude of 5.
            error += 1e-3 * amplitude**2
            if best is None or error < best[0] - 1e-9:
                best = (error, (float(offset), amplitude, float(frequency), phase))
        assert best is not None
        columns.append(best[1])
    return Seed(tuple(columns[channel][part] for part in range(4) for channel in range(3)))


def colours_of(seed: Seed) -> NDArray[np.uint8]:
    """Compute the 11 colours of a seed, (11, 3)."""
    return gradient(np.array([seed.applied_coefficients]))[0]


def largest_error(seed: Seed, colours: NDArray[np.uint8]) -> float:
    """Compute the largest OkLab distance between the colours of a seed and the given ones."""
    difference = srgb_to_oklab(colours_of(seed)) - srgb_to_oklab(colours)
    return float(np.sqrt(np.square(difference).sum(axis=-1)).max())


def interpolate(anchors: str) -> NDArray[np.uint8]:
    """Interpolate 11 evenly spaced colours linearly in sRGB between anchors."""
    rgb = np.array([list(bytes.fromhex(anchor)) for anchor in anchors.split()])
    places = np.linspace(0, 1, len(rgb))
    steps = np.linspace(0, 1, STEPS)
    return (
        np.stack([np.interp(steps, places, rgb[:, channel]) for channel in range(3)], axis=1).round().astype(np.uint8)
    )


def make_samples() -> list[Sample]:
    """Make all sample palettes, in the order of the file."""
    found: list[Sample] = []
    for name, numbers in QUILEZ_PALETTES.items():
        seed = Seed(tuple(map(float, numbers.split())))
        found.append(Sample(name, seed, QUILEZ, "facts", 0.0))
    for name, key, source, licence in COLOUR_MAPS:
        colours = (mpl.colormaps[key](np.linspace(0, 1, STEPS))[:, :3] * 255).round().astype(np.uint8)
        seed = fit(colours)
        error = largest_error(seed, colours)
        if error <= MAX_MAP_ERROR:
            found.append(Sample(name, seed, source, licence, error))
    for name, anchors in DESIGNED_PALETTES.items():
        colours = interpolate(anchors)
        seed = fit(colours)
        found.append(Sample(name, seed, DESIGNED, "Apache-2.0", largest_error(seed, colours)))
    return found


def with_globals(seed: Seed) -> Seed:
    """Move part of the offset and the phase into the global modifiers, without changing the palette."""
    exposure, phase = 0.05, 0.398
    a, b, c, d = (seed.coefficients[start : start + 3] for start in range(0, 12, 3))
    moved = Seed(
        (*(value - exposure for value in a), *b, *c, *(value - phase for value in d)),
        (exposure, 1.0, 1.0, phase),
    )
    assert canonical_seed(moved) == canonical_seed(seed)
    return moved


def numbers_of(seed: Seed) -> list[float]:
    """List the coefficients, and the global modifiers unless they are the defaults."""
    if seed.global_modifiers == DEFAULT_GLOBALS:
        return list(seed.coefficients)
    exposure, contrast, frequency, phase = seed.global_modifiers
    # Old seeds give the phase in radians if it is beyond one cycle.
    radians = round(phase * pi, 3)
    return [*seed.coefficients, exposure, contrast, frequency, radians if radians > 1.001 else phase]


def encode_decimal(seed: Seed) -> str:
    """Encode a seed as plain decimal numbers."""
    return ",".join(f"{number:g}" for number in numbers_of(seed))


def encode_legacy(seed: Seed) -> str:
    """Encode a seed as the earlier site did, compressed by lz-string."""
    return LZString.compressToEncodedURIComponent(",".join(map(format_legacy, numbers_of(seed))))


def format_legacy(number: float) -> str:
    """Format a number as old seeds do: `0`, `.500`, `-.250`, `1.000`."""
    if not number:
        return "0"
    sign = "-" if number < 0 else ""
    return sign + f"{abs(number):.3f}".removeprefix("0")


def render_lines(samples: list[Sample]) -> list[bytes]:
    """Render one line of JSON per palette."""
    lines: list[bytes] = []
    for index, sample in enumerate(samples):
        # Some seeds of each encoding have global modifiers, so that an import covers every form.
        seed = with_globals(sample.seed) if index % 7 == 3 else sample.seed
        encodings = {"aligned": encode_seed(seed), "decimal": encode_decimal(seed), "legacy": encode_legacy(seed)}
        identity = {canonical_seed(decode_seed(text)) for text in encodings.values()}
        assert len(identity) == 1, sample.name
        row = {
            "name": sample.name,
            "seed": list(encodings.values())[index % 3],
            **encodings,
            "source": sample.source,
            "licence": sample.licence,
            "fit_error": round(sample.fit_error, 4),
        }
        lines.append(orjson.dumps(row))
    return lines


def main() -> None:
    """Write the file and print the errors of the fits."""
    samples = make_samples()
    for kind, of_kind in (
        ("colour maps", [sample for sample in samples if sample.source not in (QUILEZ, DESIGNED)]),
        ("designed", [sample for sample in samples if sample.source == DESIGNED]),
    ):
        worst = max(of_kind, key=lambda sample: sample.fit_error)
        mean = sum(sample.fit_error for sample in of_kind) / len(of_kind)
        sys.stdout.write(f"{kind}: {len(of_kind)}, mean OkLab error {mean:.3f},")
        sys.stdout.write(f" largest {worst.fit_error:.3f} ({worst.name})\n")
    if len(samples) != COUNT or len({canonical_seed(sample.seed) for sample in samples}) != COUNT:
        sys.exit(f"there are {len(samples)} palettes instead of {COUNT} different ones")
    SAMPLE_PALETTES.write_bytes(b"\n".join(render_lines(samples)) + b"\n")


if __name__ == "__main__":
    main()
