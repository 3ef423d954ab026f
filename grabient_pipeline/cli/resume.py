"""`grabient resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.formatting import dollars


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("resume", epilog="Example: grabient resume openai/gpt-4o-mini")(resume)


def resume(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[PROVIDER/MODEL]", help="The paused model; without it, what a restore paused goes on."),
    ] = None,
    order: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="An order that has reached its cost cap; needs --max-cost.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", metavar="USD", help="The new cost cap of the order.")
    ] = None,
    json: Json = False,
) -> None:
    """Resume a paused model, or what a restore paused. Also raises the cap of an order. A model is paused when its
    batches end three times in a row without success; a restore pauses everything that is sent without a person.
    """
    if (order is None) != (max_cost is None) or (order is not None and model is not None):
        raise SettingsError("name a model, or pass --order N with --max-cost USD, or neither after a restore")
    pipeline = lazy.Pipeline.from_environment()
    if order is not None and max_cost is not None:
        pipeline.change_cap(order, max_cost)
        if json:
            terminal.say_json({"order": order, "max_cost_usd": max_cost})
        else:
            terminal.say(f"Order {order} may spend {dollars(max_cost)}; the next poll sends it on.")
        return
    resumed = pipeline.resume(model)
    if json:
        terminal.say_json({"model": model, "resumed": resumed})
    elif model is None:
        terminal.say("What is paid for by itself goes on." if resumed else "Nothing is paused after a restore.")
    elif resumed:
        terminal.say(f"{model} is resumed; the next poll sends what open orders ask of it.")
    else:
        terminal.say(f"{model} is not paused.")
