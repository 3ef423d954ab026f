"""Storing results of adopted batches that waited for their palettes, once these are imported."""

from __future__ import annotations

from grabient_pipeline.batches.collect import stage_rows
from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS
from grabient_pipeline.batches.settlement import EndedBatch, read_chosen, store_late
from grabient_pipeline.batches.stages import STAGES
from grabient_pipeline.batches.staging import scratch_folder
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.providers.base import ResultRow
from grabient_pipeline.warehouse import sql, transaction


def join_imported(workspace: Workspace) -> int:
    """Store the results that wait for palettes which are imported by now; how many batches have some."""
    with workspace.warehouse.connect() as connection:
        connection.execute(sql(__package__, "choose_joinable"))
        batches = read_chosen(connection)
    for batch in batches:
        _join(workspace, batch)
    return len(batches)


def _join(workspace: Workspace, batch: EndedBatch) -> None:
    of_batch = {"submission": batch.submission}
    with workspace.warehouse.connect() as connection:
        rows = connection.execute(sql(__package__, "kept_found_responses"), of_batch).fetchall()
    with scratch_folder(workspace.spool, batch.submission) as folder:
        staged = stage_rows(STAGES[batch.stage], folder, (ResultRow(*row) for row in rows))
        crash_point("join.staged")
        with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
            store_late(connection, batch, staged)
            crash_point("join.storing")
