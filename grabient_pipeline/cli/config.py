"""`grabient config`: the settings that are stored in the database."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, application

_ANALYSIS_COUNT = "tag-analysis-count"
_PATIENCE = "patience-hours"
_BACKUPS = "backups"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = application(
        "config",
        "Show or change settings. There are three: how often each model describes each palette, for how many hours "
        "missing results of an ended batch are waited for, and how many backups are kept.",
    )
    group.command("get", epilog="Example: grabient config get")(get)
    group.command("set", epilog="Example: grabient config set tag-analysis-count 4")(set_)
    app.add_typer(group)


def get(json: Json = False) -> None:
    """Show the settings."""
    pipeline = lazy.Pipeline.from_environment()
    hours = lazy.read_patience(pipeline.warehouse)
    with pipeline.warehouse.connect() as connection:
        backups = str(lazy.read_retention(connection))
    values = {
        _ANALYSIS_COUNT: pipeline.analysis_count(),
        _PATIENCE: int(hours) if hours == int(hours) else hours,
        _BACKUPS: backups,
    }
    if json:
        terminal.say_json(values)
        return
    for name, value in values.items():
        terminal.say(f"{name} {value}")


def set_(
    name: Annotated[Literal["tag-analysis-count", "patience-hours", "backups"], typer.Argument(help="The setting.")],
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE",
            help="tag-analysis-count: from 1 to 20. patience-hours: from 0 to 720; 24 at first. backups: how many are "
            "kept, as LAST,DAILY,WEEKLY; 3,7,4 at first, off for none by itself.",
        ),
    ],
) -> None:
    """Change a setting."""
    pipeline = lazy.Pipeline.from_environment()
    if name == _BACKUPS:
        retention = lazy.Retention.parse(value)
        with pipeline.publishing() as workspace, workspace.warehouse.connect() as connection:
            lazy.write_retention(connection, retention)
        terminal.say(f"{name} {retention}")
        return
    number = _number(name, value)
    if name == _PATIENCE:
        with pipeline.publishing() as workspace:
            lazy.write_patience(workspace.warehouse, number)
    elif number == int(number):
        pipeline.set_analysis_count(int(number))
    else:
        raise typer.BadParameter(f"{name} must be a whole number from 1 to 20, not {number:g}")
    terminal.say(f"{name} {number:g}")


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise typer.BadParameter(f"{name} must be a number, not {value!r}")
    return number
