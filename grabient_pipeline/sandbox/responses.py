"""HTTP responses that all providers share: JSON, files in large chunks, downloads that break off."""

import math
from collections.abc import AsyncIterator, Iterable
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol

import orjson
from starlette.responses import FileResponse, Response, StreamingResponse

_CHUNK = 1 << 18


class ErrorResponse(Protocol):
    """Makes an error in a provider's format; `retry_after` (seconds) goes where this provider announces it."""

    def __call__(
        self, status: int, type_: str = "", message: str = "", *, retry_after: float | None = None
    ) -> Response:
        """Make the error."""
        ...


class ResultsResponse(FileResponse):
    """A file, sent in larger chunks than Starlette's default."""

    chunk_size = _CHUNK


class CutResponse(StreamingResponse):
    """Announces a whole file and breaks off after a number of bytes."""

    def __init__(self, path: Path, after: int, media_type: str) -> None:
        self._path, self._after = path, after
        size = path.stat().st_size
        super().__init__(self._part(), media_type=media_type, headers={"content-length": str(size)})

    async def _part(self) -> AsyncIterator[bytes]:
        with self._path.open("rb") as file:
            yield file.read(self._after)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the headers and the part, and nothing after it."""

        async def send_unfinished(message: Any) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                return
            await send(message)

        await super().__call__(scope, receive, send_unfinished)
        # The server closes the connection because the response was never completed.


def retry_after_header(seconds: float | None) -> dict[str, str]:
    """The header that announces when to retry, in whole seconds; empty without a time."""
    return {} if seconds is None else {"retry-after": str(math.ceil(seconds))}


def date_headers(headers: Iterable[tuple[bytes, bytes]], moment: float, skew: float) -> list[tuple[bytes, bytes]]:
    """The headers of a response with its date, by a clock that is off by `skew` seconds.

    Args:
        headers: The raw headers; one that states when a file was changed is moved by the same seconds.
        moment: The time in Unix seconds.
        skew: How much later the clock is; negative if it is slow.
    """
    dated = [(b"date", formatdate(moment + skew, usegmt=True).encode())]
    for name, value in headers:
        if name == b"last-modified":
            value = formatdate(parsedate_to_datetime(value.decode()).timestamp() + skew, usegmt=True).encode()
        dated.append((name, value))
    return dated


def json_response(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A document as JSON; it may contain NumPy arrays and numbers."""
    return Response(
        orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY), status, headers, media_type="application/json"
    )
