"""The three migrations of the earlier system's run numbers as Dagster jobs: what `grabient migrate` does, in the UI."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signature of `job`.)

from collections.abc import Callable
from typing import Any

import dagster as dg

from grabient_pipeline.convex import steps
from grabient_pipeline.defs.resources import report_errors
from grabient_pipeline.pipeline import Pipeline


def _build_migration_job(name: str, description: str, step: Callable[[Pipeline], dict[str, Any]]) -> dg.JobDefinition:
    @dg.op(name=f"{name}_step", description=description)
    def migration_step(context: dg.OpExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
        with report_errors():
            counts = step(pipeline)
        context.log.info(", ".join(f"{what}: {count}" for what, count in counts.items()))
        context.add_output_metadata(counts)

    @dg.job(name=name, description=description)
    def migration_job() -> None:
        migration_step()

    return migration_job


MIGRATION_JOBS = [
    _build_migration_job(
        "migrate_check",
        "Counts the imported answers of the earlier system by how they are numbered, and shows what migrate_run_number "
        "would do. Changes nothing.",
        lambda pipeline: steps.check_run_numbers(pipeline).as_dict(),
    ),
    _build_migration_job(
        "migrate_run_number",
        "Gives imported answers without an analysis index one: their run number less 1, else 0 or the next free index. "
        "Can be run again.",
        lambda pipeline: steps.migrate_run_numbers(pipeline).as_dict(),
    ),
    _build_migration_job(
        "migrate_clear_run_number",
        "Deletes the run numbers of the earlier system. Refuses while an answer has no analysis index.",
        lambda pipeline: {"cleared": steps.clear_run_numbers(pipeline)},
    ),
]
