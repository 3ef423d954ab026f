"""Embeddings and search: palettes as vectors, and the palettes that answer a query.

    embedding.py        the models behind one protocol; local_, openai_ and google_embedding.py implement it
    embed_palettes.py   the step that keeps the vectors up with the palettes
    words.py colours.py what a query says, in words and in colours
    index.py            all that is searched, in memory
    ranking.py          how well a palette answers: the blend
    finding.py          `search`
    evaluation.py metrics.py   how good the search is, on queries whose answers are known

Knows neither Dagster nor DuckDB. The package offers the function `search` under the name of this room, so the room can
be called: `grabient_pipeline.search("calm autumn forest")`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


class _CallableRoom(ModuleType):
    """An import of anything in here puts the room where the package has its function, so it does what that does."""

    def __call__(self, query: str, limit: int = 12) -> pl.DataFrame:
        from grabient_pipeline.search.finding import search

        return search(query, limit)


sys.modules[__name__].__class__ = _CallableRoom
