"""The job `send_on`: send the next pieces of open orders, as far as the queues of their models have room."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `op` and `MetadataValue`.)

from collections.abc import Iterable, Sequence

import dagster as dg

from grabient_pipeline.batches.order_status import OrderStatus, part_line, read_order_status
from grabient_pipeline.batches.send_on import SendReport
from grabient_pipeline.batches.submit import BatchReport
from grabient_pipeline.defs.metadata import Metadata, batches_metadata, orders_metadata
from grabient_pipeline.defs.resources import LogProgress, report_errors
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.warehouse import connect

# Its own pool, so that nothing else waits for it. Two runs at once would send no more than one does.
_POOL = "send_on"


@dg.op(
    name="send_pieces",
    pool=_POOL,
    description="Sends the next pieces of open orders, within the cost cap of each order. Fails with the reasons of "
    "the providers that could not be used; what the others took is sent all the same.",
)
def send_pieces(context: dg.OpExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
    with report_errors():
        report = pipeline.send_on(progress=LogProgress(context.log))
    with connect(pipeline.settings.data_dir) as connection:
        orders = read_order_status(connection, report.orders)
    _log(context, report, orders)
    for asset, batches in _by_asset(report.submitted, orders).items():
        context.log_event(_event(asset, batches, orders))
    if reasons := [*report.held_back, *dict.fromkeys(report.failures.values())]:
        raise dg.Failure("; ".join(reasons), allow_retries=False)


@dg.job(
    name="send_on",
    description="Sends the next pieces of open orders, as far as the queues of their models have room. Costs money, "
    "within the cost cap of each order. The sensor poll_batches starts it.",
)
def send_on_job() -> None:
    """The job has this one step."""
    send_pieces()


def asset_of(stage: str, provider: str) -> str:
    """Return the asset whose page shows the batches of a stage at a provider."""
    return f"{provider}_batches" if stage == "tagging" else "refinement_batches"


def _by_asset(batches: Iterable[BatchReport], orders: Iterable[OrderStatus]) -> dict[str, list[BatchReport]]:
    """Return the submitted batches by asset; an asset with an open order may have none."""
    found: dict[str, list[BatchReport]] = {
        asset_of(order.stage, part.provider): [] for order in orders for part in order.parts
    }
    for batch in batches:
        found.setdefault(asset_of(batch.stage, batch.route.provider), []).append(batch)
    return found


def _event(
    asset: str, batches: Sequence[BatchReport], orders: Iterable[OrderStatus]
) -> dg.AssetMaterialization | dg.AssetObservation:
    shown = [(order, part) for order in orders for part in order.parts if asset_of(order.stage, part.provider) == asset]
    metadata: Metadata = {**batches_metadata(batches), **orders_metadata(shown)}
    if batches:
        return dg.AssetMaterialization(asset, description="by the job send_on", metadata=metadata)
    return dg.AssetObservation(asset, description="by the job send_on", metadata=metadata)


def _log(context: dg.OpExecutionContext, report: SendReport, orders: Iterable[OrderStatus]) -> None:
    for late in report.late:
        if late.is_cancelled:
            context.log.info(f"cancelled {late.submission} of {late.provider}/{late.model}, which was late")
        elif late.error is not None:
            context.log.warning(f"{late.provider}/{late.model} {late.submission} is late: {late.error}")
    for batch in report.submitted:
        context.log.info(
            f"submitted {batch.request_count:,} requests to {batch.model.name} for an estimated "
            f"${batch.estimated_cost_usd:.4f}: {batch.batch_id}"
        )
    for batch in report.batches:
        if batch.error is not None:
            context.log.warning(f"{batch.model.name}: {batch.error}")
    for order in orders:
        for part in order.parts:
            (context.log.warning if part.is_stuck else context.log.info)(f"order {order.number}: {part_line(part)}")
