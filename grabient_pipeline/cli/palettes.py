"""`grabient import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.cli.recording import record_import


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import", epilog="Example: grabient import palettes.csv more.jsonl")(import_palettes)


def import_palettes(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help=".csv, .jsonl, .ndjson, .parquet, or .txt with a seed a line. Without one, the sample palettes go "
            "into an empty database.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Add palettes and draw their pictures. What is there already stays as it is."""
    from grabient_pipeline import terminal
    from grabient_pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    report = pipeline.import_palettes(files or ())
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
    elif not files and not there:
        terminal.say("There are palettes already and no file was named, so nothing was imported.")
    else:
        if not files:
            terminal.note("No file was named and there were no palettes, so these are the sample palettes.")
        terminal.say(
            f"{report.imported:,} imported, {report.already_there:,} already there, {len(report.invalid):,} invalid"
        )
    if there:
        with terminal.progress() as progress:
            pipeline.write_pictures(progress=progress)
        record_import(pipeline.settings, report)
    if files and not there:
        raise failed(f"there is no palette in {', '.join(str(file) for file in files)}")
