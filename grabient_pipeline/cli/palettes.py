"""`grabient import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.cli.recording import record_import


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import", epilog="Example: grabient import palettes.csv more.jsonl; grabient import --d1")(
        import_palettes
    )


def import_palettes(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help=".csv, .jsonl, .ndjson, .parquet, or .txt with a seed a line; an export of the site's D1 database as "
            ".sqlite, .db or .sql. Without one, the sample palettes go into an empty database.",
            show_default=False,
        ),
    ] = None,
    d1: Annotated[
        bool,
        typer.Option("--d1", help="From Cloudflare D1: CF_ACCOUNT_ID, CF_API_TOKEN and CF_D1_DATABASE_ID open it."),
    ] = False,
    d1_query: Annotated[
        str | None,
        typer.Option(
            metavar="SELECT",
            help="What D1, or an export of it, is asked; a column seed, palette_id or id has the seeds.",
            show_default="the palettes that the site's admins like",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Add palettes and draw their pictures. What is there already stays as it is."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    report = pipeline.import_palettes(files or (), d1=d1, d1_query=d1_query)
    named = [*map(str, files or ()), *(["Cloudflare D1"] if d1 else [])]
    there = report.imported + report.already_there
    for invalid in report.invalid:
        terminal.warn(invalid)
    if json:
        terminal.say_json(
            {
                "imported": report.imported,
                "already_there": report.already_there,
                "invalid": [
                    {"file": each.source, "line": each.number, "text": each.text, "reason": each.reason}
                    for each in report.invalid
                ],
            }
        )
    elif not named and not there:
        terminal.say("There are palettes already and no file was named, so nothing was imported.")
    else:
        if not named:
            terminal.note("No file was named and there were no palettes, so these are the sample palettes.")
        terminal.say(
            f"{report.imported:,} imported, {report.already_there:,} already there, {len(report.invalid):,} invalid"
        )
    if there:
        with terminal.progress() as progress:
            pipeline.write_pictures(progress=progress)
        record_import(pipeline.settings, report)
    if named and not there:
        raise failed(f"there is no palette in {', '.join(named)}")
