"""Cancelling batches, as it is meant or going wrong as armed. The same for all providers."""

from collections.abc import Callable

from starlette.responses import Response

from grabient_pipeline.sandbox.context import Context, ErrorAnswer
from grabient_pipeline.sandbox.store import Batch, Phase, now


async def cancelled(
    context: Context,
    batch: Batch,
    refused: Callable[[Phase], Response],
    show: Callable[[], Response],
    error: ErrorAnswer,
) -> Response:
    """Note the wish to cancel; `refused` answers it for a batch that has ended, in whatever state."""
    faults, provider = context.faults, batch.provider
    if faults.take("cancel_too_late", provider) is not None:
        await context.end_now(batch)
    phase = batch.phase(now())
    if phase.ended:
        return refused(phase)
    if phase is not Phase.CANCELLING:
        keeps = faults.take("cancel_keeps", provider)
        context.store.cancel(batch, now(), None if keeps is None else keeps["share"])
        context.workshop.begin(batch)
    failure = faults.take("cancel_then_500", provider)
    return show() if failure is None else error(failure["status"])
