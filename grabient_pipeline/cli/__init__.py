"""The command line, `grabient`: each command reads its options, calls a step of the pipeline and tells what came of it.

What a command does stands in `grabient_pipeline.pipeline`; here is only what people type and read. The pipeline is
imported inside the commands, so that `--help` and completion answer at once.

    command_line.py   how every command ends: exit statuses and the one line that explains a failure
    data_directory.py   who works in a data directory
    palettes.py  config.py  models.py  batches.py  recovery.py  status.py  scorecard.py   some commands each
    search.py                                                  finding palettes, and how well that works
    gallery.py                                                 all palettes on one page
    earlier_system.py  export.py   the move from it, and what goes out
    prompts.py                     what is asked, was asked, and what asking anew would cost
    demo.py  sandbox.py  dev.py                                without a key: the tour, the server, the Dagster UI
"""

from __future__ import annotations

import typer

from grabient_pipeline.cli import (
    batches,
    config,
    demo,
    dev,
    export,
    gallery,
    models,
    palettes,
    prompts,
    recovery,
    sandbox,
    scorecard,
    search,
    status,
)
from grabient_pipeline.cli.command_line import CommandLine, application
from grabient_pipeline.convex import cli as convex

app = application(
    "grabient",
    "Tags for colour palettes from language models, through their batch APIs.",
    epilog="Try it without a key: grabient demo",
)
demo.add_to(app)
palettes.add_to(app)
config.add_to(app)
models.add_to(app)
batches.add_to(app)
recovery.add_to(app)
status.add_to(app)
scorecard.add_to(app)
search.add_to(app)
gallery.add_to(app)
sandbox.add_to(app)
dev.add_to(app)
convex.add_to(app)
prompts.add_to(app)
export.add_to(app)


def main() -> None:
    """The entry point."""
    command: CommandLine = typer.main.get_command(app)  # pyright: ignore[reportAssignmentType]
    command.main(prog_name="grabient")


__all__ = ["app", "main"]
