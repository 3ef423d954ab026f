"""`grabient config`: the settings that are stored in the database."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, application

_ANALYSIS_COUNT = "tag-analysis-count"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = application("config", "Show or change settings. There is one: how often each model describes each palette.")
    group.command("get", epilog="Example: grabient config get")(get)
    group.command("set", epilog="Example: grabient config set tag-analysis-count 4")(set_)
    app.add_typer(group)


def get(json: Json = False) -> None:
    """Show the settings."""
    count = lazy.Pipeline.from_environment().analysis_count()
    if json:
        terminal.say_json({_ANALYSIS_COUNT: count})
    else:
        terminal.say(f"{_ANALYSIS_COUNT} {count}")


def set_(
    name: Annotated[Literal["tag-analysis-count"], typer.Argument(help="The setting.")],
    value: Annotated[int, typer.Argument(metavar="N", help="From 1 to 20.")],
) -> None:
    """Change a setting."""
    lazy.Pipeline.from_environment().set_analysis_count(value)
    terminal.say(f"{name} {value}")
