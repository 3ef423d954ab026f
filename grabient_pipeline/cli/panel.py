"""`grabient panel`: which models answer by default."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, application
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.panel import PanelChange
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.providers.panel import Panel, Seat

# How many of the next days on which a model ends are looked at.
_ENDS_SHOWN = 2
_MANY = 10_000

_Models = Annotated[list[str], typer.Argument(metavar="PROVIDER/MODEL...", help="The models.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = application("panel", "Show or change which models answer by default. Open orders are not changed.")
    group.callback(invoke_without_command=True, epilog="Example: grabient panel add google/gemini-3.1-flash-lite")(show)
    group.command("set", epilog="Example: grabient panel set openai/gpt-6-luna groq/openai/gpt-oss-20b")(set_)
    group.command("add", epilog="Example: grabient panel add google/gemini-3.1-flash-lite")(add)
    group.command("remove", epilog="Example: grabient panel remove openai/gpt-5.6-luna")(remove)
    group.command("reset", epilog="Example: grabient panel reset")(reset)
    app.add_typer(group)


def show(context: typer.Context, json: Json = False) -> None:
    """Show or change which models answer by default.

    A place is named after the model that has it first. When that has ended, a successor answers for it, and what ended
    models have answered counts for their place. Open orders are not changed.
    """
    if context.invoked_subcommand is None:
        _show(lazy.Pipeline.from_environment(), json=json)


def set_(models: _Models) -> None:
    """Let only these models answer."""
    _change("set", models)


def add(models: _Models) -> None:
    """Let these models answer too."""
    _change("add", models)


def remove(models: _Models) -> None:
    """Take models out of the panel, with their places."""
    _change("remove", models)


def reset() -> None:
    """Take the default panel back."""
    _change("reset", ())


def _change(change: PanelChange, models: Any) -> None:
    pipeline = lazy.Pipeline.from_environment()
    pipeline.change_panel(change, models)
    _show(pipeline, json=False)


def _show(pipeline: Pipeline, *, json: bool) -> None:
    is_chosen = pipeline.panel_names() is not None
    days = [dt.datetime.now(dt.UTC).date()]
    days += lazy.panel_ends(pipeline.panel())[:_ENDS_SHOWN]
    panels = {day: pipeline.panel(day) for day in days}
    if json:
        terminal.say_json(
            {
                "chosen": is_chosen,
                "panels": [{"day": day, **_panel_facts(panel)} for day, panel in panels.items()],
                "mission_usd_per_10000_palettes": _usd(lazy.mission_price_usd(), pipeline),
                "analysis_count": pipeline.analysis_count(),
            }
        )
        return
    today, *later = panels.items()
    _say_panel(*today, pipeline, before=None)
    for (_, before), (day, panel) in zip(panels.items(), later, strict=False):
        terminal.say()
        _say_panel(day, panel, pipeline, before=before)
    terminal.say()
    terminal.say("$: US dollars for 10,000 palettes by the list prices of batches, estimated", "dim")
    if is_chosen:
        terminal.note("This panel was chosen by a person; grabient panel reset takes the default panel back.")


def _say_panel(day: dt.date, panel: Panel, pipeline: Pipeline, *, before: Panel | None) -> None:
    """Print a panel; of a later one only the places that change."""
    title = "Today" if before is None else f"From {day}"
    terminal.say(
        f"{title}: {pluralize(len(panel.models), 'model')}, {dollars(_usd(panel.price_usd, pipeline))} for "
        f"{_MANY:,} palettes with {pluralize(pipeline.analysis_count(), 'analysis', 'analyses')} each "
        f"(the mission's ten: {dollars(_usd(lazy.mission_price_usd(), pipeline))})",
        "bold",
    )
    seats = [seat for number, seat in enumerate(panel.seats) if before is None or seat != before.seats[number]]
    terminal.say_table(
        ["model", "in the place of", "$", "ends"],
        [_row(seat, pipeline) for seat in seats],
        right={"$"},
        styles=["dim" if seat.model is None else "" for seat in seats],
    )
    for seat in seats:
        if seat.model is None:
            terminal.say(f"{seat.place} has no successor: {seat.reason}", "dim")


def _row(seat: Seat, pipeline: Pipeline) -> list[object]:
    if seat.model is None:
        return ["(empty)", seat.place, "", ""]
    price = lazy.request_price(seat.model)
    return [
        seat.model.name,
        seat.place if seat.is_succeeded else "",
        f"{_usd(price, pipeline):,.2f}",
        seat.model.ends_on or "",
    ]


def _usd(price_of_one: float, pipeline: Pipeline) -> float:
    return price_of_one * _MANY * pipeline.analysis_count()


def _panel_facts(panel: Panel) -> dict[str, Any]:
    return {
        "usd_per_analysis": panel.price_usd,
        "places": [
            {
                "place": seat.place,
                "model": seat.model.name if seat.model else None,
                "reason": seat.reason or None,
                "usd_per_analysis": lazy.request_price(seat.model) if seat.model else None,
                "ends_on": seat.model.ends_on if seat.model else None,
                "counts_answers_of": seat.predecessors,
            }
            for seat in panel.seats
        ],
    }
