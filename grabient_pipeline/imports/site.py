"""Palettes from the site's own database: what is asked of it, and how a row of the answer is a palette.

The database is Cloudflare's D1, which is SQLite: asked over the network (`d1.py`), or a file that was exported from it
(`d1_files.py`). It is only ever read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Final

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.imports.files import InvalidRow, PaletteRow, palette_row

# Where a row of an answer has its seed; the first that is there counts, else the only column.
_SEED_COLUMNS: Final = ("seed", "palette_id", "id")
_COMMENTS: Final = re.compile(r"(?:\s*--[^\n]*(?:\n|\Z))+")


def default_query() -> str:
    """The palettes that the site's admins like."""
    return resources.files(__package__ or "").joinpath("sql", "liked_by_admins.sql").read_text("utf-8")


def one_query(text: str) -> str:
    """The query without what stands before it and ends it; it goes in between the brackets of another.

    Raises:
        SettingsError: it is not one SELECT.
    """
    comments = _COMMENTS.match(text)
    query = text[comments.end() if comments else 0 :].strip().rstrip(";").strip()
    if not re.match(r"(?:select|with)\b", query, re.IGNORECASE):
        raise SettingsError("the query for palettes must be a SELECT; nothing else is sent to the site's database")
    if ";" in query:
        raise SettingsError("the query for palettes must be one SELECT and have no semicolon in it")
    return query


def site_row(number: int, row: Mapping[str, object]) -> PaletteRow | InvalidRow:
    """A row of an answer as a palette."""
    seed = next((row[column] for column in _SEED_COLUMNS if row.get(column) is not None), None)
    if seed is None and len(row) == 1:
        (seed,) = row.values()
    name, image = row.get("name"), row.get("image_url")
    return palette_row(number, {"seed": seed, "name": name, "image_url": image})
