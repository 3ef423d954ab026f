"""`grabient resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("resume", epilog="Example: grabient resume openai/gpt-4o-mini")(resume)


def resume(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[PROVIDER/MODEL]", help="The paused model; without it, what a restore paused goes on."),
    ] = None,
    json: Json = False,
) -> None:
    """Resume a paused model, or what a restore paused. A model is paused when its batches end three times in a row
    without success; a restore pauses refinements after collecting and the vectors of a paid embedding model.
    """
    resumed = lazy.Pipeline.from_environment().resume(model)
    if json:
        terminal.say_json({"model": model, "resumed": resumed})
    elif model is None:
        terminal.say("What is paid for by itself goes on." if resumed else "Nothing is paused after a restore.")
    elif resumed:
        terminal.say(f"{model} is resumed; the next backfill submits its requests again.")
    else:
        terminal.say(f"{model} is not paused.")
