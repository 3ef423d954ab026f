"""How long batches may take before their provider ends them: what a person said of future ones, and what each has.

Most providers have a window that cannot be chosen. Where it can, a person's word changes future batches only, so each
batch records its own.
"""

from __future__ import annotations

from typing import Final

import duckdb

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.providers.base import read_window, window_text
from grabient_pipeline.providers.catalogue import Provider, load_catalogue
from grabient_pipeline.warehouse import Warehouse, sql

# The windows before batches recorded theirs. The catalogue may change, what was sent then does not.
_WINDOWS_BEFORE: Final = {"google": 48}
_USUAL_WINDOW_BEFORE: Final = 24


def window_of(provider: str, recorded: int | None) -> int:
    """Return the window of a batch in hours, by what is recorded of it."""
    return recorded if recorded is not None else _WINDOWS_BEFORE.get(provider, _USUAL_WINDOW_BEFORE)


def read_windows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the windows that were set, in hours by provider."""
    known = load_catalogue().providers
    rows: list[tuple[str, int]] = connection.execute(sql(__package__, "account_windows")).fetchall()
    return {
        provider: hours
        for provider, hours in rows
        # Another version of this program may have allowed more.
        if provider in known and known[provider].allows_window(hours)
    }


def future_window(connection: duckdb.DuckDBPyConnection, provider: str) -> int:
    """Return the window of the next batch at a provider, in hours: what was set, else that of the catalogue."""
    return read_windows(connection).get(provider, load_catalogue().provider(provider).window_hours)


def write_window(warehouse: Warehouse, provider: str, window: str) -> int:
    """Set the window of future batches; return it in hours.

    Args:
        warehouse: where it is stored.
        provider: the provider's key.
        window: such as `72h` or `3d`.

    Raises:
        UnknownModelError: there is no such provider.
        SettingsError: its window cannot be chosen, or not this one.
    """
    known = _choosable(provider)
    hours = read_window(window)
    if hours is None or not known.allows_window(hours):
        raise SettingsError(
            f"the window of {known.name} is {window!r}; it must be from {known.window_hours}h to "
            f"{window_text(known.longest_window_hours)} in whole hours or days, such as 72h or 3d"
        )
    with warehouse.connect() as connection:
        connection.execute(sql(__package__, "merge_window"), {"provider": known.key, "window_hours": hours})
    return hours


def take_back_window(warehouse: Warehouse, provider: str) -> None:
    """Take back what was said of the window of a provider. Raises like `write_window`."""
    key = _choosable(provider).key
    with warehouse.connect() as connection:
        connection.execute("DELETE FROM account_windows WHERE provider = ?", [key])


def _choosable(key: str) -> Provider:
    """Return a provider whose window can be chosen."""
    provider = load_catalogue().provider(key)
    if provider.longest_window is None:
        choosable = [each.key for each in load_catalogue().providers.values() if each.longest_window is not None]
        raise SettingsError(
            f"the window of {provider.name} cannot be chosen: its batches end within {provider.window_hours} hours; "
            f"it can be chosen for {', '.join(choosable)}"
        )
    return provider
