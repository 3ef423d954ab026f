"""`grabient search` and `grabient evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json

if TYPE_CHECKING:
    import polars as pl

    from grabient_pipeline.retrieval.evaluation import Evaluation

# Columns of the terminal per colour; a palette has 11.
_COLOUR_WIDTH = 2


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("search", epilog='Example: grabient search "teal and gold art deco" --limit 5')(search)
    app.command("evaluate", epilog="Example: grabient evaluate --json")(evaluate)


def search(
    query: Annotated[
        list[str], typer.Argument(metavar="QUERY...", help="Words, colour names and hex colours, in any combination.")
    ],
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most this many palettes.")] = 12,
    json: Json = False,
) -> None:
    """Find palettes. Best matches first, each with its colours, score and the reasons for the match."""
    text = " ".join(query)
    palettes = lazy.Pipeline.from_environment().search(text, limit)
    if json:
        terminal.say_json({"query": text, "palettes": palettes.to_dicts()})
        return
    say_palettes(palettes)


def say_palettes(palettes: pl.DataFrame) -> None:
    """Print the palettes of a search: colours, score, name and the reasons for the match."""
    if not palettes.height:
        terminal.say("No palette matches.")
        return
    for row in palettes.iter_rows(named=True):
        title = f" {row['score']:.2f}  {row['name'] or row['palette_id']}"
        terminal.say_swatch(row["hex"], title, _COLOUR_WIDTH, _match_reasons(row))


def evaluate(json: Json = False) -> None:
    """Measure search quality. Runs queries with known answers over the sample palettes, which must be tagged."""
    evaluation = lazy.Pipeline.from_environment().evaluate_search()
    if json:
        values = asdict(evaluation)
        del values["baseline"]
        baseline = evaluation.baseline.model_dump() if evaluation.baseline else None
        terminal.say_json({**values, "level": baseline, "below_level": evaluation.below_baseline})
        return
    _say_metrics(evaluation)


def _match_reasons(row: Mapping[str, Any]) -> str:
    tags: dict[str, list[str]] = {}
    for match in row["tags"]:
        tags.setdefault(match["field"], []).append(match["tag"])
    reasons = [f"{field}: {', '.join(dict.fromkeys(matches))}" for field, matches in tags.items()]
    nearby = [f"{colour['colour']} ({colour['distance']:.2f} away)" for colour in row["colours"]]
    if nearby:
        reasons.append(f"near {', '.join(nearby)}")
    return "; ".join(reasons) or "close in meaning, or similar to palettes that are"


def _say_metrics(evaluation: Evaluation) -> None:
    headers = ["query", "number", *lazy.RANKERS, *(f"{name} " for name in lazy.RANKERS)]
    rows = [
        [
            metrics.kind,
            metrics.queries,
            *(f"{metrics.ndcg[name]:.3f}" for name in lazy.RANKERS),
            *(f"{metrics.recall[name]:.3f}" for name in lazy.RANKERS),
        ]
        for metrics in evaluation.kinds
    ]
    sources = ", ".join(f"{count} {source}" for source, count in evaluation.text_sources.items())
    terminal.say(f"{evaluation.palettes} sample palettes ({sources}), embedded with {evaluation.embedding_model}")
    for prompt in evaluation.prompts:
        pictures = " with pictures" if prompt.with_image else ""
        terminal.say(f"{prompt.palettes} by the tagging prompt {prompt.version}{pictures}")
    terminal.say(f"nDCG@{lazy.DEPTH} in the first four columns, recall@{lazy.DEPTH} in the last four")
    terminal.say()
    terminal.say_table(headers, rows, right=headers[1:], styles=[""] * (len(rows) - 1) + ["bold"])
    terminal.say()
    correct = round(evaluation.nothing_right * evaluation.nothing_queries)
    terminal.say(f"{correct} of the {evaluation.nothing_queries} meaningless queries correctly return no palettes")
    if evaluation.baseline:
        verdict = "below" if evaluation.below_baseline else "not below"
        terminal.say(f"This is {verdict} the recorded baseline: nDCG@{lazy.DEPTH} {evaluation.baseline.ndcg:.3f}")
