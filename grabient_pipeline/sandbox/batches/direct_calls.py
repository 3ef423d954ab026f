"""Ordinary calls, answered and billed at once. The formats of the providers are not known here."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.batches.billing import Billing
from grabient_pipeline.sandbox.batches.dialect import Row
from grabient_pipeline.sandbox.faults.armed import ArmedFaults
from grabient_pipeline.sandbox.faults.registry import Call
from grabient_pipeline.sandbox.model.answers import Answer, Model, ModelFactory
from grabient_pipeline.sandbox.model.colours import hexes_in

CUSTOM_ID_HEADER = "x-grabient-custom-id"
# No batch has this ordinal, so an ordinary call gets a different answer than a row of any batch.
_NO_BATCH = -1


class DirectCallHandler:
    """Answers calls one after the other on the server's own thread; an answer takes less than a millisecond.

    Args:
        models: Makes the models that answer; used by this handler alone, because the batch worker has its own thread.
        billing: Where calls are billed.
        faults: The armed faults.
    """

    def __init__(self, models: ModelFactory, billing: Billing, faults: ArmedFaults) -> None:
        self._factory = models
        self._billing = billing
        self._faults = faults
        self._models: dict[str, Model] = {}
        self._open: Counter[str] = Counter()
        # The highest number of calls in progress at the same time, by provider.
        self.most_at_once: Counter[str] = Counter()

    def forget(self) -> None:
        """Forget which prompts were answered, and the highest numbers of calls."""
        self._models.clear()
        self.most_at_once.clear()

    async def serve(
        self, request: Request, provider: str, call: Call, answer: Callable[[Request, bytes], Response]
    ) -> Response:
        """Answer a call, with the armed faults; a client that has left is billed all the same."""
        self._open[provider] += 1
        self.most_at_once[provider] = max(self.most_at_once[provider], self._open[provider])
        try:
            body = await request.body()
            slow = self._faults.take_for("slow_answers", provider, call)
            if slow is not None:
                await asyncio.sleep(slow["seconds"])
            response = answer(request, body)
            if response.status_code >= 400:
                return response
            lost = self._faults.take_for("answer_then_drop", provider, call)
            if lost is None:
                return response
            await asyncio.sleep(lost["seconds"])
            return DroppedConnection()
        finally:
            self._open[provider] -= 1

    def answer(self, row: Row) -> Answer:
        """The model's answer to a request that it accepted."""
        assert row.prompt is not None
        model = self._models.get(row.model)
        if model is None:
            model = self._models[row.model] = self._factory.create(row.model, _NO_BATCH)
        answer = model.answer(row.prompt, hexes_in(row.prompt.user))
        answer.service_tier = row.service_tier
        return answer

    def bill(self, provider: str, row: Row, answer: Answer) -> None:
        """Bill a call; to be called after the response is formatted, which may reduce the billed tokens."""
        self._billing.add_direct(provider, row, answer)

    def bill_embeddings(self, provider: str, texts: list[tuple[str, int]]) -> None:
        """Bill the texts of one call, each given by its identity and its tokens."""
        self._billing.add_embeddings(provider, texts)


class DroppedConnection(Response):
    """No response: the connection is closed."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Close the connection."""
        abort = scope.get("state", {}).get("abort")
        if abort is None:
            raise ConnectionAbortedError("the sandbox drops this connection on purpose")
        abort()
        # The transport reports the closed connection to the server in the next iteration of the event loop.
        await asyncio.sleep(0.01)
