"""`grabient export`: the results as files, for the site."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from grabient_pipeline.formatting import pluralize


class _Format(StrEnum):
    """What a file can be; the names are those of `exports.palettes.FORMATS`."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"
    VECTORIZE = "vectorize"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", epilog="Example: grabient export --to site --format parquet --format vectorize")(export)


def export(
    to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the files go.", show_default="export/ in the data directory"),
    ] = None,
    formats: Annotated[
        list[_Format] | None,
        typer.Option("--format", help="Which; can be given several times.", show_default="all of them"),
    ] = None,
    embedding_model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Whose vectors.", show_default="the only one that there is"),
    ] = None,
    only_refined: Annotated[
        bool, typer.Option("--only-refined", help="Leave out palettes whose tags are only counted or measured.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write refined tags, embed texts and vectors as files. One row a palette; in CSV no tag is taken for a formula."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.exports.palettes import FORMATS
    from grabient_pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    report = pipeline.export(
        to,
        [each.value for each in formats] if formats else FORMATS,
        embedding_model=embedding_model,
        only_refined=only_refined,
    )
    for note in report.notes:
        terminal.warn(note)
    if json:
        terminal.say_json(
            {
                "palettes": report.palettes,
                "refined": report.refined,
                "vectors": report.vectors,
                "embedding_model": report.embedding_model,
                "files": [str(path) for path in report.files],
            }
        )
        return
    by = f" by {report.embedding_model}" if report.embedding_model else ""
    terminal.say(
        f"{pluralize(report.palettes, 'palette')}, {report.refined:,} of them refined, "
        f"{pluralize(report.vectors, 'vector')}{by}"
    )
    for path in report.files:
        terminal.say(path)
    if not report.vectors and not formats:
        terminal.note("There are no vectors yet, so there is no file for Vectorize.")
