"""`grabient search` and `grabient evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli.command_line import Json

if TYPE_CHECKING:
    import polars as pl

    from grabient_pipeline.retrieval.evaluation import Evaluation

# Wide enough to tell 11 colours apart, two columns each.
_STEP = 2


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("search", epilog='Example: grabient search "teal and gold art deco" --limit 5')(search)
    app.command("evaluate", epilog="Example: grabient evaluate --json")(evaluate)


def search(
    query: Annotated[
        list[str], typer.Argument(metavar="QUERY...", help="Words, colour names, hex colours, in any mixture.")
    ],
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many palettes.")] = 12,
    json: Json = False,
) -> None:
    """Find palettes. Best first, each with its colours, its score and what speaks for it."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    text = " ".join(query)
    found = Pipeline.from_environment().search(text, limit)
    if json:
        terminal.say_json({"query": text, "palettes": found.to_dicts()})
        return
    say_found(found)


def say_found(found: pl.DataFrame) -> None:
    """The palettes that a search gave: colours, score, name, and what speaks for each."""
    from grabient_pipeline.cli import terminal

    if not found.height:
        terminal.say("No palette answers that.")
        return
    for row in found.iter_rows(named=True):
        terminal.say_swatch(row["hex"], f" {row['score']:.2f}  {row['name'] or row['palette_id']}", _STEP, _why(row))


def evaluate(json: Json = False) -> None:
    """Measure the search. On queries whose answers are known, over the sample palettes, which must have been tagged."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    evaluation = Pipeline.from_environment().evaluate_search()
    if json:
        values = asdict(evaluation)
        del values["baseline"]
        baseline = evaluation.baseline.model_dump() if evaluation.baseline else None
        terminal.say_json({**values, "level": baseline, "below_level": evaluation.below_baseline})
        return
    _say_metrics(evaluation)


def _why(row: Mapping[str, Any]) -> str:
    tags: dict[str, list[str]] = {}
    for match in row["tags"]:
        tags.setdefault(match["field"], []).append(match["tag"])
    reasons = [f"{field}: {', '.join(dict.fromkeys(matches))}" for field, matches in tags.items()]
    near = [f"{colour['colour']} ({colour['distance']:.2f} away)" for colour in row["colours"]]
    if near:
        reasons.append(f"near {', '.join(near)}")
    return "; ".join(reasons) or "close in meaning, or looks like those that are"


def _say_metrics(evaluation: Evaluation) -> None:
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.retrieval.evaluation import DEPTH, RANKERS

    headers = ["query", "number", *RANKERS, *(f"{name} " for name in RANKERS)]
    rows = [
        [
            metrics.kind,
            metrics.queries,
            *(f"{metrics.ndcg[name]:.3f}" for name in RANKERS),
            *(f"{metrics.recall[name]:.3f}" for name in RANKERS),
        ]
        for metrics in evaluation.kinds
    ]
    sources = ", ".join(f"{count} {source}" for source, count in evaluation.text_sources.items())
    terminal.say(f"{evaluation.palettes} sample palettes ({sources}), embedded with {evaluation.embedding_model}")
    terminal.say(f"nDCG@{DEPTH} in the first four columns, recall@{DEPTH} in the last four")
    terminal.say()
    terminal.say_table(headers, rows, right=headers[1:], styles=[""] * (len(rows) - 1) + ["bold"])
    terminal.say()
    right = round(evaluation.nothing_right * evaluation.nothing_queries)
    terminal.say(f"{right} of the {evaluation.nothing_queries} meaningless queries correctly return no palettes")
    if evaluation.baseline:
        verdict = "below" if evaluation.below_baseline else "not below"
        terminal.say(f"This is {verdict} the recorded baseline: nDCG@{DEPTH} {evaluation.baseline.ndcg:.3f}")
