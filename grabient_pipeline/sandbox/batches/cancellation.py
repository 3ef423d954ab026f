"""Cancelling batches, including the ways in which it can go wrong. The same for all providers."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from grabient_pipeline.sandbox.batch import Batch, Phase
from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.responses import ErrorResponse
from grabient_pipeline.sandbox.store import now


@dataclass(frozen=True, slots=True)
class BatchCancellation:
    """How a provider responds when a batch is cancelled.

    Attributes:
        reject: The response for a batch that has ended or is stuck, by its state.
        show: The response for a batch that is being cancelled.
        error: An error in the provider's format.
        keeps_finished: Whether results finished before the cancellation are handed out and billed.
    """

    reject: Callable[[Batch, Phase], Response]
    show: Callable[[Batch], Response]
    error: ErrorResponse
    keeps_finished: bool = True

    async def respond(self, context: Context, batch: Batch) -> Response:
        """Cancel a batch, or fail as an armed fault says."""
        faults, provider = context.faults, batch.provider
        if faults.take("cancel_too_late", provider) is not None:
            await context.end_now(batch)
        phase = batch.phase(now())
        if phase.ended or batch.is_stuck_in(phase):
            return self.reject(batch, phase)
        if phase is not Phase.CANCELLING:
            kept = faults.take("cancel_keeps", provider)
            share = None if kept is None else kept["share"]
            stuck = faults.take("stuck_cancelling", provider) is not None
            context.store.cancel(batch, now(), share if self.keeps_finished else 0.0, stuck=stuck)
            context.worker.begin(batch)
        failure = faults.take("cancel_then_500", provider)
        return self.show(batch) if failure is None else self.error(failure["status"])
