"""`step_asset`: an asset that runs one step of the pipeline and shows what it did."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves type arguments open in the signature of `asset`.)

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from grabient_pipeline.defs.metadata import Metadata
from grabient_pipeline.defs.resources import report_errors

# Steps that do nothing but SQL queue for this pool instead of waiting for the lock of the database. Steps that wait for
# a network are in none: they would hold up each other.
WAREHOUSE_POOL = "warehouse"

OWNERS = ["team:grabient"]

Step = Callable[..., Metadata]


def step_asset(
    *,
    group: str,
    kinds: set[str],
    description: str,
    deps: Sequence[dg.AssetsDefinition] = (),
    table: str | None = None,
    pool: str | None = None,
) -> Callable[[Step], dg.AssetsDefinition]:
    """Make an asset of a function that runs a step and returns the metadata of its materialization.

    An error that is meant for people fails the asset with its one line. `table`: the table that the step brings up to
    date.
    """

    def decorate(step: Step) -> dg.AssetsDefinition:
        @functools.wraps(step)
        def run(*args: Any, **kwargs: Any) -> dg.MaterializeResult[Any]:
            with report_errors():
                return dg.MaterializeResult(metadata=step(*args, **kwargs))

        # Dagster reads the parameters of the step, and would take its return type for the asset's.
        signature = inspect.signature(step).replace(return_annotation=dg.MaterializeResult)
        run.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]
        run.__annotations__ = {**step.__annotations__, "return": dg.MaterializeResult}
        return dg.asset(
            group_name=group,
            deps=deps,
            owners=OWNERS,
            kinds=kinds,
            metadata={"dagster/table_name": f"main.{table}"} if table else None,
            pool=pool,
            description=description,
        )(run)

    return decorate
