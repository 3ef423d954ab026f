"""Refined answers into `palette_tag_refined`, each with the text that it is found by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import polars as pl

from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.tagging import EMBED_TEXT_RECIPE, Measured, compose_embed_text
from grabient_pipeline.warehouse import Warehouse, sql, transaction


def merge_refined(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring `palette_tag_refined` up to the table `parsed` (custom_id, tags, error) of what a batch's answers say.

    An error leaves a row as well: that palette is found by what is measured and counted.
    """
    rows = connection.execute(sql(__package__, "parsed_to_compose")).fetchall()
    connection.register("composed", _composed(rows, "custom_id"))
    connection.execute(sql(__package__, "merge_palette_tag_refined"), {"recipe": EMBED_TEXT_RECIPE})
    connection.unregister("composed")


def recompose_stale_texts(warehouse: Warehouse) -> int:
    """Compose what another recipe composed, and what stands in for a refinement that failed; how many texts changed."""
    with warehouse.connect() as connection, transaction(connection):
        rows = connection.execute(sql(__package__, "refined_to_compose"), {"recipe": EMBED_TEXT_RECIPE}).fetchall()
        if not rows:
            return 0
        connection.register("composed", _composed(rows, "custom_id"))
        ((changed,),) = connection.execute(
            sql(__package__, "update_embed_texts"), {"recipe": EMBED_TEXT_RECIPE}
        ).fetchall()
        connection.unregister("composed")
        crash_point("compose.writing")
    return changed


def embed_text(row: Sequence[Any]) -> str:
    """The embed text of temperature, contrast, brightness, saturation, harmony, colour names, and the open fields."""
    *measured, mood, style, seasonal, associations = row
    tags: Mapping[str, Sequence[str]] = {
        "mood": mood or (),
        "style": style or (),
        "seasonal": seasonal or (),
        "associations": associations or (),
    }
    return compose_embed_text(Measured(*measured), tags)


def _composed(rows: Sequence[Sequence[Any]], key: str) -> pl.DataFrame:
    return pl.DataFrame(
        {key: [row[0] for row in rows], "embed_text": [embed_text(row[1:]) for row in rows]},
        schema={key: pl.String, "embed_text": pl.String},
    )
