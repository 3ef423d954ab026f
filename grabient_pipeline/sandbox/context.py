"""What the providers' modules share: the state, the workshop, the desk, the armed faults, and forms of answers."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import FileResponse, Response, StreamingResponse

from grabient_pipeline.sandbox.abilities import Provider
from grabient_pipeline.sandbox.desk import Desk
from grabient_pipeline.sandbox.faults import Faults
from grabient_pipeline.sandbox.production import Workshop
from grabient_pipeline.sandbox.spoiling import StrangeRow, spoiled
from grabient_pipeline.sandbox.store import Batch, Store, lines_of, now

KEY_PREFIX = "sandbox-"
# Ends a cursor whose empty page was shown already: what comes next is what the cursor alone would have led to.
_SHOWN = "~"
_CHUNK = 1 << 18
# How long a batch that is to end now may take to be worked out.
_PATIENCE_SECONDS = 30.0


class ErrorAnswer(Protocol):
    """An error in a provider's form; `retry_after` is where and how this provider says it."""

    def __call__(
        self, status: int, type_: str = "", message: str = "", *, retry_after: float | None = None
    ) -> Response: ...


@dataclass(slots=True)
class Context:
    """One sandbox."""

    store: Store
    workshop: Workshop
    desk: Desk
    faults: Faults
    batch_seconds: float
    # What goes on after an answer; held here, or it could be collected while it waits.
    afterwards: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def add_batch(self, batch: Batch) -> Batch:
        """Take a batch on; armed faults that concern its whole life are noted in it now."""
        batch.seconds = self.batch_seconds
        for fault in self.faults.take_all("batch", batch.provider):
            if fault.name == "slow_batch":
                batch.seconds = float(fault["seconds"])
            elif fault.name == "expire":
                # Google hands nothing out of a batch that has not come to its end, and so bills nothing.
                batch.finished_share = 0.0 if batch.provider == "google" else float(fault["share"])
            else:
                batch.faults[fault.name] = fault.parameters
        self.store.add_batch(batch)
        self.workshop.begin(batch)
        return batch

    async def end_now(self, batch: Batch) -> None:
        """Let a batch come to its end at this moment, as soon as it has been worked out."""
        waited = 0.0
        while batch.outcome is None and not batch.problems and waited < _PATIENCE_SECONDS:
            await asyncio.sleep(0.005)
            waited += 0.005
        self.store.end(batch, now())

    def asked_for(self, provider: Provider, batch_id: str) -> Batch | None:
        """The batch whose state is asked for, if it is known, and still is."""
        batch = self.store.batch(provider, batch_id)
        return None if batch is None or self.faults.take("batch_gone", provider) else batch

    # Lists.

    def listed(self, provider: Provider) -> list[Batch]:
        """The batches that a list holds, newest first."""
        batches = [batch for batch in self.store.batches(provider) if not batch.deleted]
        lag = self.faults.take("listing_lag", provider)
        if lag is None:
            return batches
        moment = now()
        return [batch for batch in batches if moment - batch.created >= lag["seconds"]]

    def page_size(self, provider: Provider, size: int) -> int:
        """How long a page becomes that is asked for with this size."""
        short = self.faults.take("short_pages", provider)
        return size if short is None else min(size, short["size"])

    def empty_page(self, provider: Provider, cursor: str) -> str | None:
        """The cursor that leads on from an empty page, if there is to be one after this cursor."""
        if not cursor or cursor.endswith(_SHOWN) or self.faults.take("empty_page", provider) is None:
            return None
        return cursor + _SHOWN

    @staticmethod
    def place_of(cursor: str) -> str:
        """The id that a cursor stands for."""
        return cursor.removesuffix(_SHOWN)

    # Results.

    def results(self, provider: Provider, path: Path, media_type: str, strange: StrangeRow) -> Response:
        """A download of results, spoiled as armed."""
        untyped = self.faults.take("no_content_type", provider) is not None
        cut = self.faults.take("cut_download", provider)
        faults = self.faults.take_all("results", provider)
        if cut is not None:
            return CutResponse(path, int(cut["bytes"]), media_type)
        if faults:
            content = iterate_in_threadpool(spoiled(lines_of(path), faults, strange))
            answer: Response = StreamingResponse(content, media_type=media_type)
        else:
            answer = ResultsResponse(path, media_type=media_type)
        if untyped:
            del answer.headers["content-type"]
        return answer

    @staticmethod
    def plain(path: Path, media_type: str) -> Response:
        """A download that is never spoiled."""
        return ResultsResponse(path, media_type=media_type)


class ResultsResponse(FileResponse):
    """A file in larger chunks than usual."""

    chunk_size = _CHUNK


class CutResponse(StreamingResponse):
    """Promises a whole file and breaks off after so many bytes."""

    def __init__(self, path: Path, after: int, media_type: str) -> None:
        self._path, self._after = path, after
        size = path.stat().st_size
        super().__init__(self._part(), media_type=media_type, headers={"content-length": str(size)})

    async def _part(self) -> AsyncIterator[bytes]:
        with self._path.open("rb") as file:
            yield file.read(self._after)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_unfinished(message: Any) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                return
            await send(message)

        await super().__call__(scope, receive, send_unfinished)
        # The server closes the connection because the response was never completed.


def later(seconds: float | None) -> dict[str, str]:
    """The header that says when to come again, if it is to be said; in whole seconds, as HTTP has it."""
    return {} if seconds is None else {"retry-after": str(math.ceil(seconds))}


def json_response(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON by orjson; NumPy's numbers too."""
    return Response(
        orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY), status, headers, media_type="application/json"
    )
