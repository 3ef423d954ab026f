"""`grabient abandon`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_pipeline.batches.cancel import KnownBatch


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("abandon", epilog="Example: grabient abandon batch_0123456789")(abandon)


def abandon(
    batch: Annotated[list[str], typer.Argument(metavar="BATCH ...", help="Submissions or provider batch ids.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    json: Json = False,
) -> None:
    """Give up batches that cannot be brought to an end. Their requests are free to be submitted again.

    The provider may have done the work, and may bill it. Results that arrive later are still collected.
    """
    pipeline = lazy.Pipeline.from_environment()
    chosen = lazy.abandonable(pipeline.warehouse, batch)
    if not yes:
        _confirm(chosen)
    freed = pipeline.abandon(chosen)
    if json:
        terminal.say_json(
            {"batches": [each.submission for each in chosen], "freed": freed, "may_cost_usd": _cost(chosen)}
        )
        return
    terminal.say(
        f"Gave up {pluralize(len(chosen), 'batch', 'batches')}: {pluralize(freed, 'request')} can be submitted again. "
        "Results that arrive later are still collected."
    )


def _confirm(chosen: Sequence[KnownBatch]) -> None:
    for each in chosen:
        terminal.note(
            f"{each.provider}/{each.model} {each.submission} ({each.status}): "
            f"{pluralize(each.open_requests, 'request')}, which may be billed at about {dollars(each.outstanding_usd)}"
        )
    terminal.note(
        f"The providers may still do this work and bill it (about {dollars(_cost(chosen))}), and submitting the "
        "requests again costs as much again."
    )
    if not sys.stdin.isatty():
        raise SettingsError("nothing was given up: pass --yes to confirm")
    if not typer.confirm("Give up?", err=True):
        raise failed("nothing was given up")


def _cost(chosen: Sequence[KnownBatch]) -> float:
    return sum(each.outstanding_usd for each in chosen)
