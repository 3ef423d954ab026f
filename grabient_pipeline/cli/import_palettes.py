"""`grabient import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grabient_pipeline.cli import lazy, recording, terminal
from grabient_pipeline.cli.command_line import Json, failed


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
            help=".csv, .jsonl, .ndjson, .parquet, or .txt with one seed per line; an export of the site's D1 database "
            "as .sqlite, .db or .sql. Without a file, the sample palettes are imported into an empty database.",
            show_default=False,
        ),
    ] = None,
    d1: Annotated[
        bool,
        typer.Option(
            "--d1", help="Import from Cloudflare D1; needs CF_ACCOUNT_ID, CF_API_TOKEN and CF_D1_DATABASE_ID."
        ),
    ] = False,
    d1_query: Annotated[
        str | None,
        typer.Option(
            metavar="SELECT",
            help="Query for D1 or an export of it; the seeds are in a column seed, palette_id or id.",
            show_default="palettes that the site's admins liked",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Import palettes and draw their images. Palettes that already exist are not changed."""
    pipeline = lazy.Pipeline.from_environment()
    report = pipeline.import_palettes(files or (), d1=d1, d1_query=d1_query)
    sources = [*map(str, files or ()), *(["Cloudflare D1"] if d1 else [])]
    known = report.imported + report.already_there
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
    elif not sources and not known:
        terminal.say("Nothing was imported: no file was named, and there are palettes already.")
    else:
        if not sources:
            terminal.note("No file was named; importing the sample palettes.")
        terminal.say(
            f"{report.imported:,} imported, {report.already_there:,} already there, {len(report.invalid):,} invalid"
        )
    if known:
        with terminal.progress() as progress:
            pipeline.write_pictures(progress=progress)
        recording.record(pipeline.settings, "grabient import", {"palettes": report})
    if sources and not known:
        raise failed(f"no valid palette in {', '.join(sources)}")
