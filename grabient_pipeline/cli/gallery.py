"""`grabient gallery`: the palettes to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grabient_pipeline.cli.command_line import failed
from grabient_pipeline.cli.recording import record_gallery
from grabient_pipeline.formatting import pluralize


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("gallery", epilog="Example: grabient gallery --open")(gallery)


def gallery(
    open: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write the gallery. One page with every palette, which opens from disk: no server, no network."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    report = pipeline.build_gallery()
    record_gallery(pipeline.settings, report)
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
    """Show a page, or say which one to open."""
    import webbrowser

    if not webbrowser.open(page.as_uri()):
        raise failed(f"there is no browser to open it with; open {page} yourself")
