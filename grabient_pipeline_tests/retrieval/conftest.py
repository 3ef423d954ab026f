"""Fixtures: palettes with known tags in a real database, embedded by the local model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse, transaction
from grabient_pipeline_tests.conftest import copy_template

FIELDS = ("mood", "style", "seasonal", "associations")

Tags = Mapping[str, Sequence[str]]


def refine(warehouse: Warehouse, tags: Mapping[str, Tags]) -> None:
    """Store refined tags for the palettes of these seeds, replacing earlier ones."""
    rows = [(seed, *(list(by_field.get(field, ())) for field in FIELDS)) for seed, by_field in tags.items()]
    with warehouse.connect() as connection, transaction(connection):
        connection.execute("DELETE FROM palette_tag_refined WHERE seed IN (SELECT unnest(?))", [list(tags)])
        for seed, *fields in rows:
            connection.execute(
                """
                INSERT INTO palette_tag_refined BY NAME
                SELECT
                    $seed AS seed, 'anthropic' AS provider, 'by hand' AS model, 'v' AS prompt_version,
                    {
                        'mood': $mood::VARCHAR[], 'style': $style::VARCHAR[], 'harmony': []::VARCHAR[],
                        'temperature': NULL::VARCHAR, 'contrast': NULL::VARCHAR, 'brightness': NULL::VARCHAR,
                        'saturation': NULL::VARCHAR, 'seasonal': $seasonal::VARCHAR[],
                        'associations': $associations::VARCHAR[]
                    } AS tags,
                    '' AS embed_text, 1 AS embed_text_recipe, $seed AS custom_id, now() AS created_at
                """,
                {"seed": seed, **dict(zip(FIELDS, fields, strict=True))},
            )


class Collection:
    """A pipeline whose palettes are addressed by name."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        self.settings = Settings(data_dir)
        self.pipeline = Pipeline(self.settings, environment or {})

    def add(self, *rows: Mapping[str, Any]) -> None:
        """Import sample palettes."""
        file = self.settings.data_dir / "added.csv"
        file.write_text("name,seed\n" + "".join(f'"{row["name"]}","{row["seed"]}"\n' for row in rows), "utf-8")
        self.pipeline.import_palettes([file])

    def tag(self, tags: Mapping[str, Tags]) -> None:
        seeds = dict(self.rows("SELECT name, seed FROM palettes"))
        refine(self.pipeline.warehouse, {seeds[name]: by_field for name, by_field in tags.items()})

    def found(self, query: str, limit: int = 12) -> list[str]:
        """Search, and return the names of the results."""
        return self.pipeline.search(query, limit)["name"].to_list()

    def rows(self, sql: str, parameters: object = None) -> list[Any]:
        with self.pipeline.warehouse.connect() as connection:
            return connection.execute(sql, parameters).fetchall()

    def embedded(self) -> dict[str, tuple[str, str, str]]:
        """The embedding model, the embed text and its source, by name of the palette."""
        rows = self.rows(
            "SELECT name, embedding_model, embed_text, text_source FROM palette_embeddings JOIN palettes USING (seed)"
        )
        return {name: (model, text, source) for name, model, text, source in rows}


def named(rows: Iterable[Mapping[str, Any]], *names: str) -> list[Mapping[str, Any]]:
    by_name = {row["name"]: row for row in rows}
    return [by_name[name] for name in names]


TAGS: dict[str, Tags] = {
    "autumn forest": {"mood": ["calm"], "seasonal": ["autumn"], "associations": ["forest", "fallen leaf", "acorn"]},
    "deep ocean": {"mood": ["serene"], "style": ["nautical"], "associations": ["ocean depth", "whale", "abyss"]},
    "art deco": {"mood": ["glamorous"], "style": ["art deco"], "associations": ["jazz club", "brass lamp"]},
    "red wine": {"mood": ["romantic"], "associations": ["velvet curtain", "grape", "cellar"]},
    "lemon sorbet": {"mood": ["fresh"], "seasonal": ["summer"], "associations": ["lemon", "sorbet", "café terrace"]},
    "graphite": {"mood": ["sober"], "style": ["industrial"], "associations": ["pencil lead", "slate"]},
}


@pytest.fixture(scope="session")
def tagged(tmp_path_factory: pytest.TempPathFactory, sample_rows: list[dict[str, Any]]) -> Path:
    made = Collection(tmp_path_factory.mktemp("tagged"))
    made.add(*named(sample_rows, *TAGS))
    made.tag(TAGS)
    return made.settings.data_dir


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, tagged: Path) -> Path:
    made = Collection(copy_template(tagged, tmp_path_factory.mktemp("embedded")).data_dir)
    made.pipeline.embed_palettes()
    return made.settings.data_dir


@pytest.fixture
def collection(tmp_path: Path, tagged: Path) -> Collection:
    """Six tagged palettes, not yet embedded."""
    made = Collection(copy_template(tagged, tmp_path / "data").data_dir)
    made.pipeline.warehouse.publish()
    return made


@pytest.fixture
def searchable(tmp_path: Path, embedded: Path) -> Collection:
    """Six tagged palettes, embedded and published."""
    made = Collection(copy_template(embedded, tmp_path / "data").data_dir)
    made.pipeline.warehouse.publish()
    return made


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
