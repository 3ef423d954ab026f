"""Where ordinary calls are answered and billed, both at once; what they mean at a provider is not known here."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.abilities import Provider
from grabient_pipeline.sandbox.answers import Answer, Model
from grabient_pipeline.sandbox.asked import Reader
from grabient_pipeline.sandbox.billing import Billing
from grabient_pipeline.sandbox.colours import Eye, hexes_in
from grabient_pipeline.sandbox.faults import Call, Faults
from grabient_pipeline.sandbox.production import Row

CUSTOM_ID_HEADER = "x-grabient-custom-id"
# No batch has this number, so an ordinary call is answered otherwise than a row of any batch.
_NO_BATCH = -1


class Desk:
    """Answers one call after the other, on the server's own thread: an answer takes less than a millisecond."""

    def __init__(self, seed: int, billing: Billing, faults: Faults) -> None:
        self._seed = seed
        self._billing = billing
        self._faults = faults
        self._models: dict[str, Model] = {}
        # Not the workshop's, which works in a thread of its own.
        self._eye = Eye()
        self._reader = Reader()
        self._open: Counter[Provider] = Counter()
        # The most calls that were open at the same time.
        self.most_at_once: Counter[Provider] = Counter()

    def forget(self) -> None:
        """Begin anew; calls that are open are still counted."""
        self._models.clear()
        self.most_at_once.clear()

    async def serve(
        self, request: Request, provider: Provider, call: Call, answer: Callable[[Request, bytes], Response]
    ) -> Response:
        """Answer a call, late or never as armed; a client that has gone meanwhile pays all the same."""
        self._open[provider] += 1
        self.most_at_once[provider] = max(self.most_at_once[provider], self._open[provider])
        try:
            body = await request.body()
            slow = self._faults.take_for("slow_answers", provider, call)
            if slow is not None:
                await asyncio.sleep(slow["seconds"])
            answered = answer(request, body)
            if answered.status_code >= 400:
                return answered
            lost = self._faults.take_for("answer_then_drop", provider, call)
            if lost is None:
                return answered
            await asyncio.sleep(lost["seconds"])
            return Dropped()
        finally:
            self._open[provider] -= 1

    def answer(self, row: Row) -> Answer:
        """What the model says to a request that it accepted."""
        assert row.asked is not None
        model = self._models.get(row.model)
        if model is None:
            model = self._models[row.model] = Model(row.model, self._seed, _NO_BATCH, self._eye, self._reader)
        return model.answer(row.asked, hexes_in(row.asked.user))

    def bill(self, provider: Provider, row: Row, answer: Answer) -> None:
        """Called when what is handed out is settled: a provider may count less than was said."""
        self._billing.add_direct(provider, row, answer)

    def bill_embeddings(self, provider: Provider, texts: list[tuple[str, int]]) -> None:
        """Bill texts, each told apart by its identity, with its tokens."""
        self._billing.add_embeddings(provider, texts)


class Dropped(Response):
    """No answer at all: the connection is closed."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        abort = scope.get("state", {}).get("abort")
        if abort is None:
            raise ConnectionAbortedError("the sandbox drops this connection on purpose")
        abort()
        # The transport tells the server that it is gone in the next round of the loop.
        await asyncio.sleep(0.01)
