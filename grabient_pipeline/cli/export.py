"""`grabient export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json
from grabient_pipeline.formatting import pluralize


class _Format(StrEnum):
    """The keys of `exports.palettes.FORMATS`."""

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
        typer.Option(metavar="FOLDER", help="Output folder.", show_default="export/ in the data directory"),
    ] = None,
    formats: Annotated[
        list[_Format] | None,
        typer.Option("--format", help="File format; may be repeated.", show_default="all"),
    ] = None,
    embedding_model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Whose vectors to export.", show_default="the only one"),
    ] = None,
    only_refined: Annotated[
        bool, typer.Option("--only-refined", help="Leave out palettes that are not refined.")
    ] = False,
    json: Json = False,
) -> None:
    """Export refined tags, embed texts and vectors. One row per palette; CSV is safe to open in a spreadsheet."""
    pipeline = lazy.Pipeline.from_environment()
    report = pipeline.export(
        to,
        [each.value for each in formats] if formats else lazy.FORMATS,
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
        f"{pluralize(report.palettes, 'palette')}, {report.refined:,} refined, "
        f"{pluralize(report.vectors, 'vector')}{by}"
    )
    for path in report.files:
        terminal.say(path)
    if not report.vectors and not formats:
        terminal.note("There are no vectors yet, so no Vectorize file was written.")
