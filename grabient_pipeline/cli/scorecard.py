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
    from collections.abc import Sequence

    from grabient_pipeline.scorecard import ModelScore


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scorecard", epilog="Example: grabient scorecard --plot models.png; grabient scorecard --compare")(
        scorecard
    )


def scorecard(
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Also plot quality against cost, as a PNG.")] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VERSION",
            help="Score the answers to this version of the prompt; repeated, compare versions.",
            show_default="the newest",
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare the newest prompt without and the newest with pictures.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare the tagging models. Shows quality and cost, the best models first."""
    if prompt or compare:
        if plot is not None or (prompt and compare):
            raise typer.BadParameter("--prompt, --compare and --plot exclude each other")
        _compare(prompt or (), json)
        return
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


def _compare(prompts: Sequence[str], json: bool) -> None:
    """Show the scores of each prompt: on its own like the usual scorecard, several side by side."""
    compared = lazy.Pipeline.from_environment().compare_prompts(prompts)
    if json:
        terminal.say_json(
            {"prompts": {version: [asdict(score) for score in scores] for version, scores in compared.items()}}
        )
        return
    if len(compared) == 1 and prompts:
        ((version, scores),) = compared.items()
        if scores:
            _say_scores(scores)
        else:
            terminal.say(f"No model has answered the prompt {version}.")
        return
    by_model: dict[str, dict[str, ModelScore]] = {}
    for version, scores in compared.items():
        for score in scores:
            by_model.setdefault(score.name, {})[version] = score
    if len(compared) < 2 or not by_model:
        terminal.say(
            "There is nothing to compare yet: no palette has answers of the same model to both prompts "
            "(grabient backfill --with-image asks with pictures)."
        )
        return
    headers = ["model", "prompt", "answers", "usable", "correct", "overlap", "per 1,000"]
    terminal.say_table(
        headers,
        [
            [
                name,
                version,
                f"{score.requests:,}",
                _percent(score.usable_share),
                _percent(score.measured_agreement),
                _percent(score.open_overlap),
                _per_thousand(score),
            ]
            for name, of_model in sorted(by_model.items())
            for version, score in of_model.items()
        ],
        right=headers[2:],
    )
    terminal.say()
    terminal.say("Only palettes and models with answers to all of these prompts count.")


def _per_thousand(score: ModelScore) -> str:
    return "" if score.cost_per_usable_usd is None else f"${1000 * score.cost_per_usable_usd:.3f}"


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
                _per_thousand(score),
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
