"""What the providers' modules share: the state, the workshop, the armed faults, and how results leave the server."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import FileResponse, Response, StreamingResponse

from grabient_pipeline.sandbox.abilities import Provider
from grabient_pipeline.sandbox.faults import Fault, Faults
from grabient_pipeline.sandbox.production import Workshop
from grabient_pipeline.sandbox.store import Batch, Store, lines_of

KEY_PREFIX = "sandbox-"
_CHUNK = 1 << 18


@dataclass(slots=True)
class Context:
    """One sandbox."""

    store: Store
    workshop: Workshop
    faults: Faults
    batch_seconds: float

    def add_batch(self, batch: Batch) -> Batch:
        """Take a batch on; armed faults that concern its whole life are noted in it now."""
        batch.seconds = self.batch_seconds
        for fault in self.faults.take_all("batch", batch.provider):
            if fault.name == "slow_batch":
                batch.seconds = float(fault["seconds"])
            else:
                batch.finished_share = float(fault["share"])
        self.store.add_batch(batch)
        self.workshop.begin(batch)
        return batch

    def results(self, provider: Provider, path: Path, media_type: str, dialect_row: "StrangeRow") -> Response:
        """A download of results, spoiled as armed."""
        spoiled = self.faults.take_all("results", provider)
        if spoiled:
            content = iterate_in_threadpool(_chunks(_spoil(lines_of(path), spoiled, dialect_row)))
            answer: Response = StreamingResponse(content, media_type=media_type)
        else:
            answer = ResultsResponse(path, media_type=media_type)
        cut = self.faults.take("download", provider)
        if cut is not None:
            return CutResponse(path, int(cut["bytes"]), media_type)
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


class StrangeRow:
    """Makes a row for a custom id that was never sent, in a provider's shape."""

    def __init__(self, template: dict[str, Any], key: str) -> None:
        self._template, self._key = template, key

    def line(self, number: int) -> bytes:
        return orjson.dumps({**self._template, self._key: f"never-sent-{number}"})


def _spoil(lines: Iterator[bytes], faults: list[Fault], strange: StrangeRow) -> Iterator[bytes]:
    for fault in faults:
        count = int(fault["count"])
        if fault.name == "missing_rows":
            for _ in islice(lines, count):
                pass
        elif fault.name == "duplicate_rows":
            lines = _twice(lines, count)
        elif fault.name == "unknown_rows":
            lines = _before(lines, [strange.line(number) for number in range(count)])
        else:
            lines = _before(lines, [b'{"custom_id": "half a r' for _ in range(count)])
    return lines


def _twice(lines: Iterator[bytes], count: int) -> Iterator[bytes]:
    for line in islice(lines, count):
        yield line
        yield line
    yield from lines


def _before(lines: Iterator[bytes], others: list[bytes]) -> Iterator[bytes]:
    # After the first line, so that a reader is already under way.
    yield from islice(lines, 1)
    yield from others
    yield from lines


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    while chunk := list(islice(lines, 256)):
        yield b"\n".join(chunk) + b"\n"


def json_response(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON by orjson."""
    return Response(orjson.dumps(document), status, headers, media_type="application/json")
