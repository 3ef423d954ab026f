"""The settings in the table `config`: how often models are asked, and how long is waited for what is missing.

What a person says of accounts is in `account_limits.py`.
"""

from __future__ import annotations

from typing import Any

from grabient_pipeline.batches.orders import check_analysis_count
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.warehouse import Warehouse

# No provider keeps results for longer.
MAX_HOURS = 720.0


def read_analysis_count(warehouse: Warehouse) -> int:
    """Return how many responses a backfill requests per palette and model."""
    return _read(warehouse, "SELECT tag_analysis_count FROM config")


def write_analysis_count(warehouse: Warehouse, count: int) -> None:
    """Change that setting. Raises `SettingsError` if it is not from 1 to 20."""
    check_analysis_count(count)
    _write(warehouse, "UPDATE config SET tag_analysis_count = ?, updated_at = now()", count)


def read_patience(warehouse: Warehouse) -> float:
    """Return for how many hours results that an ended batch does not give yet are waited for."""
    return _read(warehouse, "SELECT patience_hours FROM config")


def write_patience(warehouse: Warehouse, hours: float) -> None:
    """Change that setting; 0 settles every batch at the first look.

    Raises:
        SettingsError: it is not from 0 to 720 hours.
    """
    _check_hours("patience", hours)
    _write(warehouse, "UPDATE config SET patience_hours = ?, updated_at = now()", hours)


def read_refine_after(warehouse: Warehouse) -> float:
    """Return for how many hours a palette waits for models that cannot be asked before it is refined without them."""
    return _read(warehouse, "SELECT refine_after_hours FROM config")


def write_refine_after(warehouse: Warehouse, hours: float) -> None:
    """Change that setting; 0 waits for no model that cannot be asked.

    Raises:
        SettingsError: it is not from 0 to 720 hours.
    """
    _check_hours("wait", hours)
    _write(warehouse, "UPDATE config SET refine_after_hours = ?, updated_at = now()", hours)


def read_refine_share(warehouse: Warehouse) -> float:
    """Return the share of the models asked about a palette that must have answered by then."""
    return _read(warehouse, "SELECT refine_share FROM config")


def write_refine_share(warehouse: Warehouse, share: float) -> None:
    """Change that setting; 1 refines no palette before all models have answered.

    Raises:
        SettingsError: it is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise SettingsError(f"the share is {share:g}; it must be above 0 and at most 1, such as 0.6")
    _write(warehouse, "UPDATE config SET refine_share = ?, updated_at = now()", share)


def _check_hours(name: str, hours: float) -> None:
    if not 0 <= hours <= MAX_HOURS:
        raise SettingsError(f"the {name} is {hours:g} hours; it must be from 0 to {MAX_HOURS:g}")


def _read(warehouse: Warehouse, statement: str) -> Any:
    with warehouse.connect() as connection:
        ((value,),) = connection.execute(statement).fetchall()
    return value


def _write(warehouse: Warehouse, statement: str, value: float) -> None:
    with warehouse.connect() as connection:
        connection.execute(statement, [value])
