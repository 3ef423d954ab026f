"""Tagging answers into `palette_tags`."""

from __future__ import annotations

import duckdb

from grabient_pipeline.warehouse import query


def merge_palette_tags(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring `palette_tags` up to the view `parsed`."""
    # Not by MERGE, which holds all that is new in memory at once.
    connection.execute(query("fresh_tags"))
    ((answered_before,),) = connection.execute(query("answered_before")).fetchall()
    if answered_before:
        connection.execute(query("update_palette_tags"))
    connection.execute(query("insert_palette_tags"))
