"""`grabient scorecard`: compare the tagging models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json
from grabient_pipeline.cli.tokens import say_tokens

if TYPE_CHECKING:
    from grabient_pipeline.scorecard import ModelScore


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scorecard", epilog="Example: grabient scorecard --plot models.png")(scorecard)


def scorecard(
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Also plot quality against cost, as a PNG.")] = None,
    json: Json = False,
) -> None:
    """Compare the tagging models. Shows quality and cost, the best models first."""
    scores = lazy.Pipeline.from_environment().score_models()
    if json:
        terminal.say_json({"models": [asdict(score) for score in scores]})
    elif not scores:
        terminal.say("There is nothing to compare yet: no model has answered.")
    else:
        _say_scores(scores)
    png = lazy.plot_scores(scores) if plot is not None else None
    if plot is not None and png is not None:
        plot.write_bytes(png)
        terminal.note(f"The plot is in {plot}")


def _say_scores(scores: list[ModelScore]) -> None:
    # The second column only where it says something.
    has_places = any(score.place for score in scores)
    headers = [
        "model",
        *(["in the place of"] if has_places else []),
        "usable",
        "correct",
        "overlap",
        "alpha",
        "per 1,000",
        "hours",
        "impact",
        "efficient",
    ]
    terminal.say_table(
        headers,
        [
            [
                score.name,
                *([score.place or ""] if has_places else []),
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
        right=headers[2 if has_places else 1 : -1],
        styles=["bold" if score.efficient else "" for score in scores],
    )
    terminal.say()
    terminal.say(
        "correct: agrees with the measured colours. overlap: share of tags that other models give too. "
        "alpha: Krippendorff's, with the other models."
    )
    terminal.say(
        "per 1,000: cost of usable answers. hours: median batch time. impact: share of the top tags that change "
        "without the model. efficient: no model is as good for less."
    )
    terminal.say()
    say_tokens([(score.name, score) for score in scores])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
