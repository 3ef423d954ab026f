"""`grabient quarantine`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.formatting import pluralize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_pipeline.batches.quarantine import QuarantinedRequests


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("quarantine", epilog="Example: grabient quarantine --free --model openai/gpt-4o-mini")(quarantine)


def quarantine(
    free: Annotated[
        bool, typer.Option("--free", help="Release quarantined requests, so that the next backfill submits them again.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(metavar="PROVIDER/MODEL", help="With --free: only this model's requests.")
    ] = None,
    json: Json = False,
) -> None:
    """Show quarantined requests. A request that failed three times is not submitted again until it is released."""
    if model is not None and not free:
        raise SettingsError("--model requires --free; without it, all quarantined requests are shown")
    pipeline = lazy.Pipeline.from_environment()
    quarantined = pipeline.quarantined()
    released = pipeline.release(model) if free else 0
    if json:
        terminal.say_json({"resting": [asdict(each) for each in quarantined], "freed": released})
    elif free:
        terminal.say(f"Released {pluralize(released, 'request')}; the next backfill submits them again.")
    elif quarantined:
        _say_quarantined(quarantined)
    else:
        terminal.say("Quarantine is empty.")


def _say_quarantined(quarantined: Sequence[QuarantinedRequests]) -> None:
    terminal.say_table(
        ["stage", "model", "requests", "last failure", "example"],
        [
            [each.stage, f"{each.provider}/{each.model}", f"{each.requests:,}", each.reason, each.example]
            for each in quarantined
        ],
        right={"requests"},
    )
    terminal.say()
    terminal.say("grabient quarantine --free releases them. Submitting them again costs money.")
