"""The steps of the move from the earlier system, for its commands and jobs: what they changed is published."""

from __future__ import annotations

from pathlib import Path

from grabient_pipeline.convex import importer, run_numbers
from grabient_pipeline.convex.report import ConvexReport
from grabient_pipeline.convex.run_numbers import RunNumberCheck, RunNumberReport
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.progress import SILENT, Progress


def import_convex(
    pipeline: Pipeline, path: Path, *, dry_run: bool = False, progress: Progress = SILENT
) -> ConvexReport:
    """Import what is new in a Convex export; a dry run only reports what that would be."""
    report = importer.import_convex(pipeline.warehouse, path, dry_run=dry_run, progress=progress)
    if not dry_run:
        pipeline.count_consensus()
    return report


def check_run_numbers(pipeline: Pipeline) -> RunNumberCheck:
    """Report how the imported answers are numbered, and what `migrate_run_numbers` would change."""
    return run_numbers.check_run_numbers(pipeline.warehouse)


def migrate_run_numbers(pipeline: Pipeline) -> RunNumberReport:
    """Give the imported answers without an analysis index one, and count them."""
    report = run_numbers.migrate_run_numbers(pipeline.warehouse)
    pipeline.count_consensus()
    return report


def clear_run_numbers(pipeline: Pipeline) -> int:
    """Delete the legacy run numbers; how many. Raises `MigrationError` while an answer has nothing else."""
    with pipeline.publishing():
        return run_numbers.clear_run_numbers(pipeline.warehouse)
