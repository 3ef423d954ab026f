"""The three migrations of the earlier system's run numbers as Dagster jobs: what `grabient migrate` does, in the UI."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signature of `job`.)

from collections.abc import Callable
from typing import Any

import dagster as dg

from grabient_pipeline.defs.resources import PipelineResource, explained
from grabient_pipeline.pipeline import Pipeline


def _build_migration_job(name: str, description: str, step: Callable[[Pipeline], dict[str, Any]]) -> dg.JobDefinition:
    @dg.op(name=f"{name}_step", description=description)
    def migration_step(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
        with explained():
            counts = step(pipeline.open())
        context.log.info(", ".join(f"{what}: {count}" for what, count in counts.items()))
        context.add_output_metadata(counts)

    @dg.job(name=name, description=description)
    def migration_job() -> None:
        migration_step()

    return migration_job


MIGRATION_JOBS = [
    _build_migration_job(
        "migrate_check",
        "Counts the answers of the earlier system by what numbers them, and tells what migrate_run_number would do. "
        "Changes nothing.",
        lambda pipeline: pipeline.check_run_numbers().as_dict(),
    ),
    _build_migration_job(
        "migrate_run_number",
        "Gives the answers of the earlier system that have no analysis index one: their run number less 1, else 0 or "
        "the next that is free. Can be run again.",
        lambda pipeline: pipeline.migrate_run_numbers().as_dict(),
    ),
    _build_migration_job(
        "migrate_clear_run_number",
        "Forgets the run numbers of the earlier system. Refuses while an answer has no analysis index.",
        lambda pipeline: {"cleared": pipeline.clear_run_numbers()},
    ),
]
