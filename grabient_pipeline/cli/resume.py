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
    model: Annotated[str, typer.Argument(metavar="PROVIDER/MODEL", help="The paused model.")],
    json: Json = False,
) -> None:
    """Resume a paused model. A model is paused when its batches end three times in a row without success."""
    resumed = lazy.Pipeline.from_environment().resume(model)
    if json:
        terminal.say_json({"model": model, "resumed": resumed})
    elif resumed:
        terminal.say(f"{model} is resumed; the next backfill submits its requests again.")
    else:
        terminal.say(f"{model} is not paused.")
