"""The settings in the table `config`: how often models are asked, and how long is waited for what is missing.

What a person says of accounts is in `account_limits.py`.
"""

from __future__ import annotations

from grabient_pipeline.batches.orders import check_analysis_count
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.warehouse import Warehouse

# No provider keeps results for longer.
MAX_PATIENCE_HOURS = 720.0
MAX_REFINE_AFTER_HOURS = 720.0


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


def read_refine_after(warehouse: Warehouse) -> float:
    """Return for how many hours a palette waits for models that cannot be asked before it is refined without them."""
    with warehouse.connect() as connection:
        ((hours,),) = connection.execute("SELECT refine_after_hours FROM config").fetchall()
    return hours


def write_refine_after(warehouse: Warehouse, hours: float) -> None:
    """Change that setting; 0 waits for no model that cannot be asked.

    Raises:
        SettingsError: it is not from 0 to 720 hours.
    """
    if not 0 <= hours <= MAX_REFINE_AFTER_HOURS:
        raise SettingsError(f"the wait is {hours:g} hours; it must be from 0 to {MAX_REFINE_AFTER_HOURS:g}")
    with warehouse.connect() as connection:
        connection.execute("UPDATE config SET refine_after_hours = ?, updated_at = now()", [hours])


def read_refine_share(warehouse: Warehouse) -> float:
    """Return the share of the models asked about a palette that must have answered by then."""
    with warehouse.connect() as connection:
        ((share,),) = connection.execute("SELECT refine_share FROM config").fetchall()
    return share


def write_refine_share(warehouse: Warehouse, share: float) -> None:
    """Change that setting; 1 refines no palette before all models have answered.

    Raises:
        SettingsError: it is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise SettingsError(f"the share is {share:g}; it must be above 0 and at most 1, such as 0.6")
    with warehouse.connect() as connection:
        connection.execute("UPDATE config SET refine_share = ?, updated_at = now()", [share])
