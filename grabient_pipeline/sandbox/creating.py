"""The creation of batches: as it is meant, or going wrong as armed. The same for all providers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.abilities import Provider
from grabient_pipeline.sandbox.context import Context, ErrorAnswer
from grabient_pipeline.sandbox.desk import Dropped
from grabient_pipeline.sandbox.faults import Fault
from grabient_pipeline.sandbox.store import Batch


@dataclass(frozen=True, slots=True)
class Creation:
    """How a provider makes a batch, and what it answers."""

    context: Context
    provider: Provider
    # The batch, or the answer that refuses it.
    make: Callable[[Request], Awaitable[Batch | Response]]
    show: Callable[[Request, Batch], Response]
    error: ErrorAnswer
    # The answer to an account without access to batches; the status is the provider's own if none is given.
    denied: Callable[[int | None], Response]

    async def answer(self, request: Request) -> Response:
        """Make a batch, or fail at it."""
        fault = self.context.faults.take_first("creation", self.provider)
        if fault is None:
            made = await self.make(request)
            return made if isinstance(made, Response) else self.show(request, made)
        if fault.name in ("refuse", "no_batch_access"):
            # The body is read first, as a real server does, so that the client is not cut off while it sends.
            async for _ in request.stream():
                pass
            return self._refusal(fault)
        if fault.name == "drop_then_create":
            await request.body()
            task = asyncio.create_task(self._make_later(request, fault["seconds"]))
            self.context.afterwards.add(task)
            task.add_done_callback(self.context.afterwards.discard)
            return Dropped()
        made = await self.make(request)
        if isinstance(made, Response):
            return made
        return await self._lost(request, made, fault)

    def _refusal(self, fault: Fault) -> Response:
        if fault.name == "no_batch_access":
            return self.denied(fault["status"])
        return self.error(fault["status"], fault["type"], fault["message"], retry_after=fault["retry_after"])

    async def _make_later(self, request: Request, seconds: float) -> None:
        await asyncio.sleep(seconds)
        made = await self.make(request)
        if not isinstance(made, Response):
            self.context.store.note_lost_answer(made)

    async def _lost(self, request: Request, made: Batch, fault: Fault) -> Response:
        self.context.store.note_lost_answer(made)
        if fault.name == "create_then_500":
            return self.error(fault["status"])
        await asyncio.sleep(fault["seconds"])
        return self.show(request, made) if fault.name == "create_then_timeout" else Dropped()
