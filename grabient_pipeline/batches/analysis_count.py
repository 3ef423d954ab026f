"""The setting `tag_analysis_count`: how many responses a backfill requests per palette and model."""

from __future__ import annotations

from grabient_pipeline.batches.orders import check_analysis_count
from grabient_pipeline.warehouse import Warehouse


def read_analysis_count(warehouse: Warehouse) -> int:
    """Return the setting."""
    with warehouse.connect() as connection:
        ((count,),) = connection.execute("SELECT tag_analysis_count FROM config").fetchall()
    return count


def write_analysis_count(warehouse: Warehouse, count: int) -> None:
    """Change the setting. Raises `SettingsError` if it is not from 1 to 20."""
    check_analysis_count(count)
    with warehouse.connect() as connection:
        connection.execute("UPDATE config SET tag_analysis_count = ?, updated_at = now()", [count])
