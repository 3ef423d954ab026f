"""The settings that are stored in the database: `tag_analysis_count` and `patience_hours`."""

from __future__ import annotations

from grabient_pipeline.batches.orders import check_analysis_count
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.warehouse import Warehouse

# No provider keeps results for longer.
MAX_PATIENCE_HOURS = 720.0


def read_analysis_count(warehouse: Warehouse) -> int:
    """Return how many responses a backfill requests per palette and model."""
    with warehouse.connect() as connection:
        ((count,),) = connection.execute("SELECT tag_analysis_count FROM config").fetchall()
    return count


def write_analysis_count(warehouse: Warehouse, count: int) -> None:
    """Change that setting. Raises `SettingsError` if it is not from 1 to 20."""
    check_analysis_count(count)
    with warehouse.connect() as connection:
        connection.execute("UPDATE config SET tag_analysis_count = ?, updated_at = now()", [count])


def read_patience(warehouse: Warehouse) -> float:
    """Return for how many hours results that an ended batch does not give yet are waited for."""
    with warehouse.connect() as connection:
        ((hours,),) = connection.execute("SELECT patience_hours FROM config").fetchall()
    return hours


def write_patience(warehouse: Warehouse, hours: float) -> None:
    """Change that setting; 0 settles every batch at the first look.

    Raises:
        SettingsError: it is not from 0 to 720 hours.
    """
    if not 0 <= hours <= MAX_PATIENCE_HOURS:
        raise SettingsError(f"the patience is {hours:g} hours; it must be from 0 to {MAX_PATIENCE_HOURS:g}")
    with warehouse.connect() as connection:
        connection.execute("UPDATE config SET patience_hours = ?, updated_at = now()", [hours])
