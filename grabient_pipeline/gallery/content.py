"""What the gallery shows: the published tables as two compact documents.

A word, a model and a set of models stand in the documents once and are numbers everywhere else. `palettes` is all that
the list and the search need. `details` is what the page of one palette adds, in blocks, so that a browser reads only
the block that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from grabient_pipeline.tagging.vocabulary import ATTRIBUTES, FIELDS
from grabient_pipeline.warehouse import connect, sql

# Of the open fields, in which the models may say what they like.
_TAG_FIELDS: Final = ("mood", "style", "seasonal", "associations")
_PALETTES_A_BLOCK: Final = 200
_ROWS_AT_A_TIME: Final = 50_000

# Said by nobody: the refining model's own, or measured.
_NOBODY: Final = ""

Document = dict[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class GalleryContent:
    """The two documents; every list in them has an entry a palette, in the order of import.

    `palettes`: `words`, `models`, `model_sets` (lists of models) and the columns. A column of tags has a flat list a
    palette: word, share in percent, model set, and again. `details`: blocks with `first` (the number of their first
    palette) and columns; `said` has a flat list for each of FIELDS: word, share, answers, model set, and again.
    """

    palettes: Document
    details: list[Document]

    @property
    def count(self) -> int:
        return len(self.palettes["id"])


def read_content(data_dir: Path) -> GalleryContent:
    """Read what has been published in a data directory."""
    with connect(data_dir) as connection:
        described = connection.execute(sql(__package__, "palettes"))
        names = [column[0] for column in described.description]
        rows: list[Row] = [dict(zip(names, row, strict=True)) for row in described.fetchall()]
        said: list[_Said] = [_Said() for _ in rows]
        models = [model for (model,) in connection.execute(sql(__package__, "models")).fetchall()]
        book = _WordBook(models)
        counted = connection.execute(sql(__package__, "consensus"), {"models": models})
        piece: list[tuple[int, str, str, int, int, str]]
        while piece := counted.fetchmany(_ROWS_AT_A_TIME):
            for palette, field, tag, percent, answers, model_set in piece:
                said[palette].add(field, tag, book.word(tag), percent, answers, book.model_set(model_set))
    palettes = list(zip(rows, said, strict=True))
    blocks = range(0, len(palettes), _PALETTES_A_BLOCK)
    details = [_details(first, palettes[first : first + _PALETTES_A_BLOCK]) for first in blocks]
    columns = _palettes(palettes, book)
    # Last, since the columns add their words to the book.
    return GalleryContent({**book.document(), **columns}, details)


class _WordBook:
    """The words and the sets of models, each with its number."""

    def __init__(self, models: Sequence[str]) -> None:
        self._models = models
        self._words: dict[str, int] = {}
        self._model_sets: dict[str, int] = {_NOBODY: 0}

    def word(self, word: str) -> int:
        return self._words.setdefault(word, len(self._words))

    def model_set(self, places: str) -> int:
        """The number of a set, which is written as places with commas between."""
        return self._model_sets.setdefault(places, len(self._model_sets))

    def document(self) -> Document:
        return {
            "words": list(self._words),
            "models": self._models,
            "model_sets": [[int(place) for place in places.split(",") if place] for places in self._model_sets],
        }


class _Said:
    """What the models said of a palette: for each field a flat list, and who is behind each tag."""

    def __init__(self) -> None:
        self.fields: dict[str, list[int]] = {}
        self._support: dict[tuple[str, str], tuple[int, int]] = {}

    def add(self, field: str, tag: str, word: int, percent: int, answers: int, model_set: int) -> None:
        self.fields.setdefault(field, []).extend((word, percent, answers, model_set))
        self._support[field, tag] = (percent, model_set)

    def support(self, field: str, tag: str) -> tuple[int, int]:
        """The share in percent and the set of models that said it."""
        return self._support.get((field, tag), (0, 0))


_Palette = tuple[Row, _Said]


def _palettes(palettes: Sequence[_Palette], book: _WordBook) -> Document:
    def words(name: str) -> list[list[int]]:
        return [[book.word(word) for word in row[name]] for row, _ in palettes]

    def tags(field: str) -> list[list[int]]:
        return [
            [number for tag in row[field] for number in (book.word(tag), *said.support(field, tag))]
            for row, said in palettes
        ]

    def column(name: str) -> list[Any]:
        return [row[name] for row, _ in palettes]

    return {
        "id": column("palette_id"),
        "name": column("name"),
        "hex": column("hex"),
        **{attribute: [book.word(row[attribute]) for row, _ in palettes] for attribute in ATTRIBUTES},
        "harmony": words("harmony"),
        "colour_names": words("colour_names"),
        **{field: tags(field) for field in _TAG_FIELDS},
        "text_source": column("text_source"),
        "cost": [sum(_costs(row)) for row, _ in palettes],
    }


def _details(first: int, palettes: Sequence[_Palette]) -> Document:
    return {
        "first": first,
        **{
            name: [row[name] for row, _ in palettes]
            for name in ("seed", "source", "created_at", "embed_text", "refining_model", "total_analyses")
        },
        "costs": [_costs(row) for row, _ in palettes],
        "said": [[said.fields.get(field, []) for field in FIELDS] for _, said in palettes],
    }


def _costs(row: Row) -> list[int]:
    """In millionths of a US dollar: tagging, refinement, embedding."""
    # Whole numbers, since the last digits of a sum depend on the order in which it was added up.
    return [round(1e6 * (row[name] or 0.0)) for name in ("tagging_usd", "refinement_usd", "embedding_usd")]
