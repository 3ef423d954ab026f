"""How the earlier system takes part in the batches of this one, until nothing of it is left to follow."""

from __future__ import annotations

from grabient_pipeline.batches.backfill import register_backfill_check
from grabient_pipeline.batches.collect import register_fetcher
from grabient_pipeline.batches.stages import TAGGING, Stage
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.convex.adopted_batches import fetch_adopted
from grabient_pipeline.convex.rows import SUBMISSION_PREFIX
from grabient_pipeline.convex.run_numbers import waiting_answers
from grabient_pipeline.errors import MigrationError


def register() -> None:
    """Register the two hooks: fetching adopted batches, and a check before each backfill."""
    register_fetcher(SUBMISSION_PREFIX, fetch_adopted)
    register_backfill_check(check_answers_have_an_index)


def check_answers_have_an_index(workspace: Workspace, stage: Stage) -> None:
    """Refuse a tagging backfill that would pay again for imported answers.

    Raises:
        MigrationError: imported answers to the current prompt have no analysis index yet.
    """
    if stage.name != TAGGING.name:
        return
    if pending := waiting_answers(workspace.warehouse, stage.prompt.version):
        raise MigrationError(
            f"{pending:,} imported answers to the current prompt have no analysis index yet and would be paid for "
            "again; run grabient migrate run-number first"
        )
