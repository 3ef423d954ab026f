"""`grabient scorecard`: which of the tagging models are worth their money."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli.command_line import Json

if TYPE_CHECKING:
    from grabient_pipeline.scorecard import ModelScore


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scorecard", epilog="Example: grabient scorecard --plot models.png")(scorecard)


def scorecard(
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the picture of quality against cost, a PNG.")
    ] = None,
    json: Json = False,
) -> None:
    """Compare the models. How good each is, what it costs, and which of them nobody beats; the best first."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.scorecard.plot import plot_scores

    scores = Pipeline.from_environment().score_models()
    if json:
        terminal.say_json({"models": [asdict(score) for score in scores]})
    elif not scores:
        terminal.say("There is nothing to compare yet: no model has given an answer.")
    else:
        _say_scores(scores)
    picture = plot_scores(scores) if plot is not None else None
    if plot is not None and picture is not None:
        plot.write_bytes(picture)
        terminal.note(f"The picture is in {plot}")


def _say_scores(scores: list[ModelScore]) -> None:
    from grabient_pipeline.cli import terminal

    headers = ["model", "usable", "right", "overlap", "alpha", "per 1,000", "hours", "without it", "worth it"]
    terminal.say_table(
        headers,
        [
            [
                score.name,
                _percent(score.usable_share),
                _percent(score.measured_agreement),
                _percent(score.open_overlap),
                "" if score.alpha_with_others is None else f"{score.alpha_with_others:.2f}",
                "" if score.cost_per_usable_usd is None else f"${1000 * score.cost_per_usable_usd:.3f}",
                "" if score.median_hours is None else f"{score.median_hours:.1f}",
                _percent(score.top_tags_changed),
                "yes" if score.efficient else "",
            ]
            for score in scores
        ],
        right=headers[1:-1],
        styles=["bold" if score.efficient else "" for score in scores],
    )
    terminal.say()
    terminal.say(
        "right: says what is measured. overlap: other models that say its tags. alpha: Krippendorff's, with them."
    )
    terminal.say("without it: how much of the most voted tags changes. worth it: nobody is as good for less.")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
