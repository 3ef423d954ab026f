"""The command line, `grabient`: commands read options, call steps of the pipeline and print their reports.

What a command does belongs in `grabient_pipeline.pipeline`. Each command group has its own module here, named after it
(`import_palettes` because `import` is a keyword); the commands of the earlier system are in `grabient_pipeline.convex`.

    command_line     exit statuses, and one line for each failure
    lazy             expensive imports, on first use
    terminal progress_bars   what commands print
    submission       what `backfill` and `refine` share
    recording        reporting to Dagster what a command did
    data_directory   locking a data directory
    local_sandbox    the sandbox behind `demo` and `dev`
"""

from __future__ import annotations

import typer

from grabient_pipeline.cli import (
    abandon,
    backfill,
    backup,
    cancel,
    config,
    demo,
    dev,
    export,
    gallery,
    import_palettes,
    models,
    panel,
    plan,
    poll,
    prompts,
    quarantine,
    reconcile,
    refine,
    resume,
    sandbox,
    scorecard,
    search,
    status,
)
from grabient_pipeline.cli.command_line import CommandLine, application
from grabient_pipeline.convex import cli as convex

app = application(
    "grabient",
    "Tag colour palettes with language models, through their batch APIs.",
    epilog="Try it without an API key: grabient demo",
)
# Help lists the commands in this order.
for _group in (
    demo,
    import_palettes,
    config,
    models,
    panel,
    backfill,
    refine,
    poll,
    reconcile,
    cancel,
    abandon,
    quarantine,
    resume,
    status,
    backup,
    scorecard,
    search,
    gallery,
    sandbox,
    dev,
    convex,
    prompts,
    plan,
    export,
):
    _group.add_to(app)


def main() -> None:
    """Run the command line."""
    command: CommandLine = typer.main.get_command(app)  # pyright: ignore[reportAssignmentType]
    command.main(prog_name="grabient")


__all__ = ["app", "main"]
