"""The sample palettes that come with the project."""

import json
from collections import Counter

from grabient_pipeline.palette import read_palette
from grabient_pipeline.settings import SAMPLE_PALETTES

ROWS = [json.loads(line) for line in SAMPLE_PALETTES.read_text("utf-8").splitlines()]


def test_there_are_182_distinct_palettes() -> None:
    assert len(ROWS) == 182
    assert len({row["name"] for row in ROWS}) == 182
    assert len({read_palette(row["seed"]).palette_id for row in ROWS}) == 182


def test_the_three_encodings_of_each_agree() -> None:
    for row in ROWS:
        canonical = {read_palette(row[encoding]).canonical_seed for encoding in ("aligned", "decimal", "legacy")}
        assert canonical == {read_palette(row["seed"]).canonical_seed}, row["name"]


def test_the_encodings_are_evenly_represented() -> None:
    def encoding(row: dict[str, str]) -> str:
        return next(name for name in ("aligned", "decimal", "legacy") if row[name] == row["seed"])

    counts = Counter(map(encoding, ROWS))
    assert min(counts[name] for name in ("aligned", "decimal", "legacy")) >= 60


def test_some_of_every_encoding_have_global_modifiers() -> None:
    with_globals = [row for row in ROWS if len(row["aligned"]) > 37]
    assert len(with_globals) >= 20
    assert all(row["decimal"].count(",") == 15 for row in with_globals)


def test_each_names_its_source_and_licence() -> None:
    assert all(row["source"] and row["licence"] for row in ROWS)
    assert max(row["fit_error"] for row in ROWS) < 0.1
