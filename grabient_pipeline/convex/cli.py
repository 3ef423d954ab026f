"""`grabient import-convex` and `grabient migrate`: the migration from the earlier system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli import lazy, recording, terminal
from grabient_pipeline.cli.command_line import Json, application, failed
from grabient_pipeline.convex import lazy as convex_lazy
from grabient_pipeline.formatting import pluralize

if TYPE_CHECKING:
    from collections import Counter

    from grabient_pipeline.convex.report import ConvexReport, TableReport


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("import-convex", epilog="Example: grabient import-convex snapshot.zip --dry-run")(import_convex)
    group = application(
        "migrate",
        "Migrate run numbers. For answers of the earlier system: first check, then run-number, then clear-run-number.",
    )
    group.command("check", epilog="Example: grabient migrate check")(check)
    group.command("run-number", epilog="Example: grabient migrate run-number --json")(run_number)
    group.command("clear-run-number", epilog="Example: grabient migrate clear-run-number")(clear_run_number)
    app.add_typer(group)


def import_convex(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="The output of npx convex export: a zip, or the folder it was unpacked to."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what would be imported, repaired and rejected.")
    ] = False,
    json: Json = False,
) -> None:
    """Import an export of the earlier system. An interrupted import resumes where it stopped."""
    pipeline = lazy.Pipeline.from_environment()
    with terminal.progress() as progress:
        report = convex_lazy.import_convex(pipeline, path, dry_run=dry_run, progress=progress)
        if not dry_run:
            pipeline.write_pictures(progress=progress)
    if not dry_run:
        recording.record(pipeline.settings, "grabient import-convex", _reports_by_asset(report))
    if json:
        terminal.say_json(report.as_dict())
    else:
        _say_report(report)
    if report.broken:
        reasons = "; ".join(f"{name} {reason}" for name, reason in report.broken.items())
        raise failed(f"{reasons}. The readable part is imported; export again and import that to add the rest")


def check(json: Json = False) -> None:
    """Count the imported answers by their numbers, and report what run-number would change."""
    result = convex_lazy.check_run_numbers(lazy.Pipeline.from_environment())
    if json:
        terminal.say_json(result.as_dict())
        return
    for count, what in (
        (result.only_analysis_index, "have only an analysis index"),
        (result.only_run_number, "have only a run number"),
        (result.both, "have both: the analysis index counts"),
        (result.neither, "have neither"),
    ):
        terminal.say(f"{count:>12,} {what}")
    if result.clean:
        terminal.say("Clean: every answer has an analysis index.")
        return
    terminal.say()
    terminal.say("grabient migrate run-number would number", "bold")
    for count, what in (
        (result.from_run_number, "by their run number minus 1"),
        (result.to_zero, "as 0, because they have neither"),
        (result.to_next_free, "as the next free index, because they have neither and 0 is taken"),
        (result.collisions, "collide with another answer: one of the two stays, the other is kept as rejected"),
    ):
        terminal.say(f"{count:>12,} {what}")


def run_number(json: Json = False) -> None:
    """Number the answers without an analysis index: their run number minus 1, else 0 or the next free index."""
    report = convex_lazy.migrate_run_numbers(lazy.Pipeline.from_environment())
    if json:
        terminal.say_json(report.as_dict())
        return
    terminal.say(
        f"{report.from_run_number:,} numbered by their run number minus 1, {report.to_zero:,} as 0, "
        f"{report.to_next_free:,} as the next free index"
    )
    _say_counts("conflict", report.conflicts)


def clear_run_number(json: Json = False) -> None:
    """Clear the run numbers. Fails while an answer has no analysis index."""
    cleared = convex_lazy.clear_run_numbers(lazy.Pipeline.from_environment())
    if json:
        terminal.say_json({"cleared": cleared})
    else:
        terminal.say(f"{pluralize(cleared, 'run number')} cleared")


def _reports_by_asset(report: ConvexReport) -> dict[str, object]:
    """Return what the steps of the assets would have reported; empty if nothing was imported."""
    if not any(table.imported for table in report.tables.values()):
        return {}
    palettes, answers = (report.tables.get(name) for name in ("palettes", "palette_tags"))
    return {
        "palettes": lazy.ImportReport(palettes.imported, palettes.already_there)
        if palettes
        else lazy.ImportReport(0, 0),
        "palette_tags": lazy.ParseReport(0, answers.imported if answers else 0, 0),
    }


def _say_report(report: ConvexReport) -> None:
    if report.resumed:
        terminal.note("An import of this export was interrupted; this one resumed where it had stopped.")
    imported = {name: table for name, table in report.tables.items() if table.left_out is None}
    _say_table(imported, "would be imported" if report.dry_run else "imported")
    for name, table in imported.items():
        _say_details(name, table)
    _say_warnings(report)
    if any(table.rejected or table.conflicts for table in imported.values()):
        terminal.note("Rejected documents are kept unchanged, with the reason, in convex_set_aside.")
    if any(table.pending_index for table in imported.values()):
        terminal.note(
            "Answers that are pending have no analysis index: grabient migrate check, then grabient migrate run-number."
        )
    if report.dry_run:
        terminal.say("Nothing was written.")


def _say_table(tables: dict[str, TableReport], imported: str) -> None:
    columns = {
        "read": [table.read for table in tables.values()],
        imported: [table.imported for table in tables.values()],
        "already there": [table.already_there for table in tables.values()],
        "pending": [table.pending_index for table in tables.values()],
        "rejected": [table.rejected.total() for table in tables.values()],
        "conflicts": [table.conflicts.total() for table in tables.values()],
    }
    rows = [
        [name, *(f"{count:,}" for count in counts)]
        for name, counts in zip(tables, zip(*columns.values(), strict=True), strict=True)
    ]
    terminal.say_table(["table", *columns], rows, right=set(columns))


def _say_details(name: str, table: TableReport) -> None:
    _say_counts(f"{name}, repaired", table.repaired)
    _say_counts(f"{name}, rejected", table.rejected)
    _say_counts(f"{name}, conflict", table.conflicts)
    if table.adopted:
        terminal.say(f"{name}: {pluralize(table.adopted, 'batch', 'batches')} in progress will be polled from here")


def _say_warnings(report: ConvexReport) -> None:
    for name, table in report.tables.items():
        if table.left_out:
            terminal.say(f"{name}: not imported, {table.left_out}", "dim")
    for name in report.missing_tables:
        terminal.note(f"{name} is not in the export", "dim")
    for line in report.refused:
        terminal.warn(line)
    if report.unpriced_models:
        terminal.warn(f"no known price, so no cost is shown, for {', '.join(report.unpriced_models)}")


def _say_counts(what: str, counts: Counter[str]) -> None:
    for reason, count in counts.most_common():
        terminal.say(f"{what}: {count:,} {reason}")
