"""`grabient config`: the settings that are stored in the database."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, application

_ANALYSIS_COUNT = "tag-analysis-count"
_PATIENCE = "patience-hours"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = application(
        "config",
        "Show or change settings. There are two: how often each model describes each palette, and for how many hours "
        "missing results of an ended batch are waited for.",
    )
    group.command("get", epilog="Example: grabient config get")(get)
    group.command("set", epilog="Example: grabient config set tag-analysis-count 4")(set_)
    app.add_typer(group)


def get(json: Json = False) -> None:
    """Show the settings."""
    pipeline = lazy.Pipeline.from_environment()
    hours = lazy.read_patience(pipeline.warehouse)
    values = {_ANALYSIS_COUNT: pipeline.analysis_count(), _PATIENCE: int(hours) if hours == int(hours) else hours}
    if json:
        terminal.say_json(values)
        return
    for name, value in values.items():
        terminal.say(f"{name} {value}")


def set_(
    name: Annotated[Literal["tag-analysis-count", "patience-hours"], typer.Argument(help="The setting.")],
    value: Annotated[
        float,
        typer.Argument(
            metavar="N", help="tag-analysis-count: from 1 to 20. patience-hours: from 0 to 720; 24 at first."
        ),
    ],
) -> None:
    """Change a setting."""
    pipeline = lazy.Pipeline.from_environment()
    if name == _PATIENCE:
        with pipeline.publishing() as workspace:
            lazy.write_patience(workspace.warehouse, value)
    elif value == int(value):
        pipeline.set_analysis_count(int(value))
    else:
        raise typer.BadParameter(f"{name} must be a whole number from 1 to 20, not {value:g}")
    terminal.say(f"{name} {value:g}")
