"""`grabient import-convex` and `grabient migrate`: the move from the earlier system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli.command_line import application, failed
from grabient_pipeline.cli.recording import record_convex
from grabient_pipeline.formatting import pluralize

if TYPE_CHECKING:
    from collections import Counter

    from grabient_pipeline.convex.report import ConvexReport

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("import-convex", epilog="Example: grabient import-convex snapshot.zip --dry-run")(import_convex)
    group = application(
        "migrate", "Number the answers of the earlier system anew. First check, then run-number, then clear-run-number."
    )
    group.command("check", epilog="Example: grabient migrate check")(check)
    group.command("run-number", epilog="Example: grabient migrate run-number --json")(run_number)
    group.command("clear-run-number", epilog="Example: grabient migrate clear-run-number")(clear_run_number)
    app.add_typer(group)


def import_convex(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="What npx convex export wrote: a zip, or the folder that it was unpacked to."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be taken, repaired and set aside.")
    ] = False,
    json: _Json = False,
) -> None:
    """Take over what the earlier system has paid for. Can be run again: it goes on where it stopped."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.convex import steps
    from grabient_pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    with terminal.progress() as progress:
        report = steps.import_convex(pipeline, path, dry_run=dry_run, progress=progress)
        if not dry_run:
            pipeline.write_pictures(progress=progress)
    if not dry_run:
        record_convex(pipeline.settings, report)
    if json:
        terminal.say_json(report.as_dict())
    else:
        _say_report(report)
    if report.broken:
        told = "; ".join(f"{name} {why}" for name, why in report.broken.items())
        raise failed(f"{told}. What could be read has gone in; export again and import that, it takes what is missing")


def check(json: _Json = False) -> None:
    """Count the imported answers by what numbers them, and tell what run-number would change."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.convex import steps
    from grabient_pipeline.pipeline import Pipeline

    found = steps.check_run_numbers(Pipeline.from_environment())
    if json:
        terminal.say_json(found.as_dict())
        return
    for count, what in (
        (found.only_analysis_index, "have an analysis index only"),
        (found.only_run_number, "have a run number only"),
        (found.both, "have both: the analysis index counts"),
        (found.neither, "have neither"),
    ):
        terminal.say(f"{count:>12,} {what}")
    if found.clean:
        terminal.say("Clean: every answer has its analysis index.")
        return
    terminal.say()
    terminal.say("grabient migrate run-number would number", "bold")
    for count, what in (
        (found.from_run_number, "by their run number less 1"),
        (found.to_zero, "as 0, having neither"),
        (found.to_next_free, "as the next that is free, having neither where 0 is taken"),
        (found.collisions, "collide with another answer: one of the two stays, the other is kept aside"),
    ):
        terminal.say(f"{count:>12,} {what}")


def run_number(json: _Json = False) -> None:
    """Give the answers without an analysis index one: their run number less 1, else 0 or the next that is free."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.convex import steps
    from grabient_pipeline.pipeline import Pipeline

    report = steps.migrate_run_numbers(Pipeline.from_environment())
    if json:
        terminal.say_json(report.as_dict())
        return
    terminal.say(
        f"{report.from_run_number:,} numbered by their run number less 1, {report.to_zero:,} as 0, "
        f"{report.to_next_free:,} as the next that was free"
    )
    _say_counts("conflict", report.conflicts)


def clear_run_number(json: _Json = False) -> None:
    """Forget the run numbers. Refuses while an answer has no analysis index."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.convex import steps
    from grabient_pipeline.pipeline import Pipeline

    cleared = steps.clear_run_numbers(Pipeline.from_environment())
    if json:
        terminal.say_json({"cleared": cleared})
    else:
        terminal.say(f"{pluralize(cleared, 'run number')} cleared")


def _say_report(report: ConvexReport) -> None:
    from grabient_pipeline.cli import terminal

    if report.resumed:
        terminal.note("An import of this export was interrupted; this one went on where it had stopped.")
    would = "would be " if report.dry_run else ""
    copied = {name: table for name, table in report.tables.items() if table.left_out is None}
    terminal.say_table(
        ["table", "read", f"{would}taken", "there already", "waiting", "set aside", "conflicts"],
        [
            [
                name,
                f"{table.read:,}",
                f"{table.taken:,}",
                f"{table.already_there:,}",
                f"{table.waiting:,}",
                f"{table.set_aside.total():,}",
                f"{table.conflicts.total():,}",
            ]
            for name, table in copied.items()
        ],
        right={"read", f"{would}taken", "there already", "waiting", "set aside", "conflicts"},
    )
    for name, table in copied.items():
        for kind, counts in (
            ("repaired", table.repaired),
            ("set aside", table.set_aside),
            ("conflict", table.conflicts),
        ):
            _say_counts(f"{name}, {kind}", counts)
        if table.adopted:
            terminal.say(f"{name}: {pluralize(table.adopted, 'batch', 'batches')} under way will be polled from here")
    for name, table in report.tables.items():
        if table.left_out:
            terminal.say(f"{name}: not copied, {table.left_out}", "dim")
    for name in report.missing_tables:
        terminal.note(f"{name} is not in the export", "dim")
    for line in report.refused:
        terminal.warn(line)
    if report.unpriced_models:
        terminal.warn(f"no price is known, so no cost is shown, for {', '.join(report.unpriced_models)}")
    if any(table.set_aside or table.conflicts for table in copied.values()):
        terminal.note("What was set aside is kept whole, with its reason, in convex_set_aside.")
    if any(table.waiting for table in copied.values()):
        terminal.note(
            "Those that wait have no analysis index: grabient migrate check, then grabient migrate run-number."
        )
    if report.dry_run:
        terminal.say("Nothing was written.")


def _say_counts(what: str, counts: Counter[str]) -> None:
    from grabient_pipeline.cli import terminal

    for reason, count in counts.most_common():
        terminal.say(f"{what}: {count:,} {reason}")
