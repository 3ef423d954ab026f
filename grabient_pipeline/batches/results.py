"""Parsed responses into the tables of the stages: `palette_tags`, and `palette_tag_refined` with its embed texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import polars as pl

from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.tagging import EMBED_TEXT_RECIPE, Measured, compose_embed_text
from grabient_pipeline.warehouse import Warehouse, registered, sql, transaction


def merge_palette_tags(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring `palette_tags` up to date with the view `parsed` (custom_id, tags, error)."""
    # MERGE would hold everything new in memory at once.
    connection.execute(sql(__package__, "fresh_tags"))
    ((answered_before,),) = connection.execute(sql(__package__, "answered_before")).fetchall()
    if answered_before:
        connection.execute(sql(__package__, "update_palette_tags"))
    connection.execute(sql(__package__, "insert_palette_tags"))


def merge_refined(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring `palette_tag_refined` up to date with the table `parsed` (custom_id, tags, error).

    An error becomes a row too: its palette is found by what is measured and counted.
    """
    rows = connection.execute(sql(__package__, "parsed_to_compose")).fetchall()
    with registered(connection, "composed", _compose(rows)):
        connection.execute(sql(__package__, "merge_palette_tag_refined"), {"recipe": EMBED_TEXT_RECIPE})


def recompose_stale_texts(warehouse: Warehouse) -> int:
    """Compose again the texts of an older recipe, and those that stand in for a failed refinement.

    Returns:
        how many texts changed.
    """
    with warehouse.connect() as connection, transaction(connection):
        rows = connection.execute(sql(__package__, "refined_to_compose"), {"recipe": EMBED_TEXT_RECIPE}).fetchall()
        if not rows:
            return 0
        with registered(connection, "composed", _compose(rows)):
            ((changed,),) = connection.execute(
                sql(__package__, "update_embed_texts"), {"recipe": EMBED_TEXT_RECIPE}
            ).fetchall()
        crash_point("compose.writing")
    return changed


def _compose(rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    return pl.DataFrame(
        {"custom_id": [row[0] for row in rows], "embed_text": [_embed_text(row[1:]) for row in rows]},
        schema={"custom_id": pl.String, "embed_text": pl.String},
    )


def _embed_text(row: Sequence[Any]) -> str:
    """Compose from temperature, contrast, brightness, saturation, harmony, colour names, and the open fields."""
    *measured, mood, style, seasonal, associations = row
    tags: Mapping[str, Sequence[str]] = {
        "mood": mood or (),
        "style": style or (),
        "seasonal": seasonal or (),
        "associations": associations or (),
    }
    return compose_embed_text(Measured(*measured), tags)
