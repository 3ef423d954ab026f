"""The panel that a person has chosen, in the database; without a choice, the default panel of the catalogue answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import duckdb

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.panel import Panel, place_names, resolve_panel
from grabient_pipeline.warehouse import Warehouse, transaction

PanelChange = Literal["set", "add", "remove", "reset"]


def read_panel(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...] | None:
    """Return the models that the chosen panel's places are named after; None if none was chosen."""
    rows = connection.execute("SELECT model FROM panel_places ORDER BY position").fetchall()
    return tuple(model for (model,) in rows) or None


def change_panel(
    warehouse: Warehouse, change: PanelChange, names: Sequence[str] = (), *, include_retired: bool = False
) -> None:
    """Change the panel. A model that has a place of the default panel keeps it.

    Args:
        change: `set` lets only these models answer, `add` these too, `remove` takes out their places or those that they
            have taken, and `reset` takes the default panel back.
        names: models; none with `reset`.

    Raises:
        UnknownModelError: the catalogue does not have one of them.
        SettingsError: a model to remove is not in the panel, or no model is left.
    """
    with warehouse.connect() as connection, transaction(connection):
        if change == "reset":
            _write(connection, ())
            return
        current = read_panel(connection) or tuple(place.model for place in load_catalogue().places)
        if change == "remove":
            places = _without(current, resolve_panel(current, include_retired=include_retired), names)
        else:
            chosen = place_names(names, resolve_panel(include_retired=include_retired))
            places = chosen if change == "set" else tuple(dict.fromkeys([*current, *chosen]))
        if not places:
            raise SettingsError(
                "no model would be left; grabient panel set chooses models, and reset the default panel"
            )
        _write(connection, places)


def _without(places: Sequence[str], panel: Panel, names: Sequence[str]) -> tuple[str, ...]:
    removed: set[str] = set()
    for name in (load_catalogue().model(name).name for name in names):
        place = _place_in(panel, name)
        if place is None:
            raise SettingsError(f"{name} is not in the panel; grabient panel shows it")
        removed.add(place)
    return tuple(place for place in places if place not in removed)


def _place_in(panel: Panel, name: str) -> str | None:
    seat = panel.seat_of(name)
    if seat is not None:
        return seat.place
    return name if name in {seat.place for seat in panel.seats} else None


def _write(connection: duckdb.DuckDBPyConnection, places: Sequence[str]) -> None:
    connection.execute("DELETE FROM panel_places")
    for position, model in enumerate(places, start=1):
        connection.execute("INSERT INTO panel_places (position, model) VALUES (?, ?)", [position, model])
