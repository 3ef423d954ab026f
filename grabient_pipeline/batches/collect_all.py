"""Collecting everything that has ended, direct calls included."""

from __future__ import annotations

from dataclasses import replace

from grabient_pipeline.batches.collect import CollectReport, collect
from grabient_pipeline.batches.direct_calls import make_direct_calls, stalled_direct_batches
from grabient_pipeline.batches.join_imported import join_imported
from grabient_pipeline.batches.poll import POLL_SECONDS, RECORD_SECONDS, poll
from grabient_pipeline.batches.spool_cleanup import remove_stale
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.progress import SILENT, Progress


def collect_all(workspace: Workspace, *, every_late: bool = False, progress: Progress = SILENT) -> CollectReport:
    """Collect every ended batch; unfinished direct calls that no process works on are made first.

    Args:
        every_late: also ask for what settled and abandoned batches still owe; otherwise once a day.
    """
    remove_stale(workspace.spool)
    join_imported(workspace)
    unmade = make_direct_calls(workspace, progress=progress)
    if stalled_direct_batches(workspace):
        poll(workspace, Deadline.after(POLL_SECONDS + RECORD_SECONDS))
    report = collect(workspace, every_late=every_late, progress=progress)
    return replace(report, failures={**report.failures, **{route.label: reason for route, reason in unmade.items()}})
