"""`grabient gallery`."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from grabient_pipeline.cli import lazy, recording, terminal
from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.formatting import pluralize


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("gallery", epilog="Example: grabient gallery --open")(gallery)


def gallery(
    open: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    json: Json = False,
) -> None:
    """Build the gallery. A single page with every palette, which opens from disk without a server."""
    pipeline = lazy.Pipeline.from_environment()
    report = pipeline.build_gallery()
    recording.record(pipeline.settings, "grabient gallery", {"palette_gallery": report})
    if json:
        terminal.say_json(
            {
                "palettes": report.palettes,
                "path": str(report.path),
                "size_bytes": report.size,
                "written": report.written,
            }
        )
    else:
        state = "" if report.written else ", unchanged"
        terminal.say(f"{pluralize(report.palettes, 'palette')} in {report.path}{state}")
    if open:
        open_in_browser(report.path)


def open_in_browser(page: Path) -> None:
    """Open a page in the browser. Raises `typer.Exit` if there is none."""
    if not webbrowser.open(page.as_uri()):
        raise failed(f"no browser found; open {page} yourself")
