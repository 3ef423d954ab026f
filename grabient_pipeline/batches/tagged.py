"""Tagging answers into `palette_tags`."""

from __future__ import annotations

import duckdb

from grabient_pipeline.warehouse import sql


def merge_palette_tags(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring `palette_tags` up to the view `parsed`."""
    # Not by MERGE, which holds all that is new in memory at once.
    connection.execute(sql(__package__, "fresh_tags"))
    ((answered_before,),) = connection.execute(sql(__package__, "answered_before")).fetchall()
    if answered_before:
        connection.execute(sql(__package__, "update_palette_tags"))
    connection.execute(sql(__package__, "insert_palette_tags"))
