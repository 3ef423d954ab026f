"""Palettes from the site's own database: the query, and the mapping of its rows.

The database is Cloudflare D1, which is SQLite. It is queried over the network (`d1.py`) or in an exported file
(`d1_files.py`), and only ever read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Final

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.imports.files import InvalidRow, PaletteRow, palette_row

# The columns that may hold the seed, in order of preference; otherwise it is the only column.
_SEED_COLUMNS: Final = ("seed", "palette_id", "id")
_COMMENTS: Final = re.compile(r"(?:\s*--[^\n]*(?:\n|\Z))+")


def default_query() -> str:
    """Return the query for the palettes that the site's admins like."""
    return resources.files(__package__ or "").joinpath("sql", "liked_by_admins.sql").read_text("utf-8")


def single_select(text: str) -> str:
    """Return a SELECT without leading comments and the final semicolon, so that it can be a subquery.

    Raises:
        SettingsError: the text is not a single SELECT.
    """
    comments = _COMMENTS.match(text)
    query = text[comments.end() if comments else 0 :].strip().rstrip(";").strip()
    if not re.match(r"(?:select|with)\b", query, re.IGNORECASE):
        raise SettingsError("the query for palettes must be a SELECT; nothing else may run on the site's database")
    if ";" in query:
        raise SettingsError("the query for palettes must be a single SELECT without semicolons")
    return query


def site_row(number: int, row: Mapping[str, object]) -> PaletteRow | InvalidRow:
    """Return a row of the result as a palette."""
    seed = next((row[column] for column in _SEED_COLUMNS if row.get(column) is not None), None)
    if seed is None and len(row) == 1:
        (seed,) = row.values()
    name, image = row.get("name"), row.get("image_url")
    return palette_row(number, {"seed": seed, "name": name, "image_url": image})
