"""The creation of batches, including the ways in which it can go wrong. The same for all providers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.batch import Batch
from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.direct_calls import DroppedConnection
from grabient_pipeline.sandbox.faults.armed import Fault
from grabient_pipeline.sandbox.responses import ErrorResponse


@dataclass(frozen=True, slots=True)
class BatchCreation:
    """How a provider creates a batch, and how it responds.

    Attributes:
        context: The sandbox.
        provider: The provider's key.
        make: Creates the batch, or returns the response that rejects it.
        show: The response for a new batch.
        error: An error in the provider's format.
        deny: The response to an account without access to batches; with None the status is the provider's own.
    """

    context: Context
    provider: str
    make: Callable[[Request], Awaitable[Batch | Response]]
    show: Callable[[Request, Batch], Response]
    error: ErrorResponse
    deny: Callable[[int | None], Response]

    async def respond(self, request: Request) -> Response:
        """Create a batch, or fail as an armed fault says."""
        fault = self.context.faults.take_first("creation", self.provider)
        if fault is None:
            return await self._make_and_show(request)
        if fault.name in ("refuse", "no_batch_access"):
            # Reads the body first, as a real server does; otherwise the client is cut off while it sends.
            async for _ in request.stream():
                pass
            return self._reject(fault)
        if fault.name == "drop_then_create":
            await request.body()
            task = asyncio.create_task(self._make_later(request, fault["seconds"]))
            self.context.background_tasks.add(task)
            task.add_done_callback(self.context.background_tasks.discard)
            return DroppedConnection()
        if fault.name == "replayed_creation":
            return await self._replay(request, fault)
        made = await self.make(request)
        if isinstance(made, Response):
            return made
        return await self._lose_response(request, made, fault)

    async def _make_and_show(self, request: Request) -> Response:
        made = await self.make(request)
        return made if isinstance(made, Response) else self.show(request, made)

    def _reject(self, fault: Fault) -> Response:
        if fault.name == "no_batch_access":
            return self.deny(fault["status"])
        return self.error(fault["status"], fault["type"], fault["message"], retry_after=fault["retry_after"])

    async def _replay(self, request: Request, fault: Fault) -> Response:
        """Respond with the document of the newest batch before this one, if there is any."""
        batches = self.context.store.batches(self.provider)
        earlier = next((batch for batch in batches if not batch.deleted), None)
        if earlier is None:
            return await self._make_and_show(request)
        if fault["created"]:
            made = await self.make(request)
            if not isinstance(made, Response):
                self.context.store.note_lost_answer(made)
        else:
            async for _ in request.stream():
                pass
        return self.show(request, earlier)

    async def _make_later(self, request: Request, seconds: float) -> None:
        await asyncio.sleep(seconds)
        made = await self.make(request)
        if not isinstance(made, Response):
            self.context.store.note_lost_answer(made)

    async def _lose_response(self, request: Request, made: Batch, fault: Fault) -> Response:
        self.context.store.note_lost_answer(made)
        if fault.name == "create_then_500":
            return self.error(fault["status"])
        await asyncio.sleep(fault["seconds"])
        return self.show(request, made) if fault.name == "create_then_timeout" else DroppedConnection()
