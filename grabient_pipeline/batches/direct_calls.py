"""Batches of ordinary calls, which are made here instead of at the provider."""

from __future__ import annotations

from dataclasses import dataclass

from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import AccessMode, Route
from grabient_pipeline.providers.direct import is_idle
from grabient_pipeline.warehouse import WAIT_SECONDS, sql


@dataclass(frozen=True, slots=True)
class DirectBatch:
    """An unfinished batch of ordinary calls."""

    submission: str
    route: Route
    batch_id: str


def direct_batches(workspace: Workspace, wait_seconds: float = WAIT_SECONDS) -> list[DirectBatch]:
    """Return the unfinished batches of ordinary calls, oldest first."""
    with workspace.warehouse.connect(wait_seconds) as connection:
        rows: list[tuple[str, str, AccessMode, str]] = connection.execute(sql(__package__, "direct_batches")).fetchall()
    return [
        DirectBatch(submission, Route(provider, access), batch_id) for submission, provider, access, batch_id in rows
    ]


def make_direct_calls(workspace: Workspace, *, progress: Progress = SILENT) -> dict[Route, str]:
    """Make the calls that are left in batches that no process is working on.

    Returns:
        why it was not possible, by route.
    """
    failures: dict[Route, str] = {}
    for batch in direct_batches(workspace):
        if batch.route in failures:
            continue
        try:
            workspace.providers.open(batch.route).work(batch.batch_id, progress)
        except GrabientError as error:
            failures[batch.route] = str(error)
    return failures


def stalled_direct_batches(workspace: Workspace, wait_seconds: float = WAIT_SECONDS) -> list[str]:
    """Return the submissions of unfinished direct batches that no process is working on."""
    return [
        batch.submission
        for batch in direct_batches(workspace, wait_seconds)
        if is_idle(workspace.providers.direct_dir, batch.batch_id)
    ]
