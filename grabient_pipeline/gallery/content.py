"""Reads the published tables into two compact JSON documents for the gallery.

Words, models and sets of models are stored once and referenced by number. `palettes` has what the list and the search
need. `details` has what the page of a single palette adds, in blocks, so that the browser parses only the block that it
needs. Rendering the page belongs to `page.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from grabient_pipeline.tagging.vocabulary import ATTRIBUTES, FIELDS
from grabient_pipeline.warehouse import connect, sql

# The fields in which models may use any words.
_TAG_FIELDS: Final = ("mood", "style", "seasonal", "associations")
_PALETTES_PER_BLOCK: Final = 200
_ROWS_PER_FETCH: Final = 50_000

_DETAIL_COLUMNS: Final = (
    *("seed", "source", "created_at", "embed_text", "total_analyses"),
    *("refining_model", "refined_models", "refined_answers"),
)

# The empty set of models: of tags added by the refining model, and of measured values.
_NO_MODELS: Final = ""

Document = dict[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class GalleryContent:
    """The two documents. All columns have one entry per palette, in the order of import.

    Attributes:
        palettes: `words`, `models`, `places` (of each model the one whose place it has taken, or null), `model_sets`
            (lists of models), and the columns. The entry of a tag column is a
            flat list of triples: word, share in percent, model set.
        details: Blocks with `first` (the number of the first palette) and the columns. The entry of `votes` has for
            each of FIELDS a flat list of quadruples: word, share in percent, answers, model set.
    """

    palettes: Document
    details: list[Document]

    @property
    def count(self) -> int:
        """The number of palettes."""
        return len(self.palettes["id"])


def read_content(data_dir: Path) -> GalleryContent:
    """Read the content from the published database of a data directory."""
    with connect(data_dir) as connection:
        result = connection.execute(sql(__package__, "palettes"))
        names = [column[0] for column in result.description]
        rows: list[Row] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        votes = [_PaletteVotes() for _ in rows]
        places = dict(connection.execute(sql(__package__, "models")).fetchall())
        models = list(places)
        table = _StringTable(models)
        entries = connection.execute(sql(__package__, "consensus"), {"models": models})
        piece: list[tuple[int, str, str, int, int, str]]
        while piece := entries.fetchmany(_ROWS_PER_FETCH):
            for palette, field, tag, percent, answers, model_set in piece:
                votes[palette].add(field, tag, (table.word(tag), percent, answers, table.model_set(model_set)))
    palettes = list(zip(rows, votes, strict=True))
    blocks = range(0, len(palettes), _PALETTES_PER_BLOCK)
    details = [_details(first, palettes[first : first + _PALETTES_PER_BLOCK]) for first in blocks]
    columns = _palettes(palettes, table)
    # After the columns, which add their words to the table.
    return GalleryContent({**table.document(), "places": list(places.values()), **columns}, details)


class _StringTable:
    """Numbers words and sets of models in the order of their first use."""

    def __init__(self, models: Sequence[str]) -> None:
        self._models = models
        self._words: dict[str, int] = {}
        self._model_sets: dict[str, int] = {_NO_MODELS: 0}

    def word(self, word: str) -> int:
        return self._words.setdefault(word, len(self._words))

    def model_set(self, places: str) -> int:
        """The number of a set, which is given as comma-separated positions in `models`."""
        return self._model_sets.setdefault(places, len(self._model_sets))

    def document(self) -> Document:
        return {
            "words": list(self._words),
            "models": self._models,
            "model_sets": [[int(place) for place in places.split(",") if place] for places in self._model_sets],
        }


class _PaletteVotes:
    """The consensus of a palette: the flat list of each field, and the models behind each tag."""

    def __init__(self) -> None:
        self.fields: dict[str, list[int]] = {}
        self._support: dict[tuple[str, str], tuple[int, int]] = {}

    def add(self, field: str, tag: str, entry: tuple[int, int, int, int]) -> None:
        """Add a tag; `entry` is word, share in percent, answers, model set."""
        self.fields.setdefault(field, []).extend(entry)
        _, percent, _, model_set = entry
        self._support[field, tag] = (percent, model_set)

    def support(self, field: str, tag: str) -> tuple[int, int]:
        """The share in percent and the model set of a tag; zeros if no model gave it."""
        return self._support.get((field, tag), (0, 0))


_Palette = tuple[Row, _PaletteVotes]


def _palettes(palettes: Sequence[_Palette], table: _StringTable) -> Document:
    def words(name: str) -> list[list[int]]:
        return [[table.word(word) for word in row[name]] for row, _ in palettes]

    def tags(field: str) -> list[list[int]]:
        return [
            [number for tag in row[field] for number in (table.word(tag), *votes.support(field, tag))]
            for row, votes in palettes
        ]

    def column(name: str) -> list[Any]:
        return [row[name] for row, _ in palettes]

    return {
        "id": column("palette_id"),
        "name": column("name"),
        "hex": column("hex"),
        **{attribute: [table.word(row[attribute]) for row, _ in palettes] for attribute in ATTRIBUTES},
        "harmony": words("harmony"),
        "colour_names": words("colour_names"),
        **{field: tags(field) for field in _TAG_FIELDS},
        "text_source": column("text_source"),
        "cost": [sum(_costs(row)) for row, _ in palettes],
    }


def _details(first: int, palettes: Sequence[_Palette]) -> Document:
    return {
        "first": first,
        **{name: [row[name] for row, _ in palettes] for name in _DETAIL_COLUMNS},
        "costs": [_costs(row) for row, _ in palettes],
        "votes": [[votes.fields.get(field, []) for field in FIELDS] for _, votes in palettes],
    }


def _costs(row: Row) -> list[int]:
    """The cost of tagging, refinement and embedding, in millionths of a US dollar."""
    # Integers, because the last digits of a floating-point sum depend on its order.
    return [round(1e6 * (row[name] or 0.0)) for name in ("tagging_usd", "refinement_usd", "embedding_usd")]
