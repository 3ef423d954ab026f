"""What the pipeline asks of a batch API, and the plain values that cross the border.

One protocol, four small implementations; SDK types stay inside them. Nothing here knows Dagster or DuckDB.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from grabient_pipeline.providers.catalogue import Model

if TYPE_CHECKING:
    import ssl

# How requests are sent: in batches at half price, or by ordinary calls at full price.
AccessMode = Literal["batch", "direct"]
BatchStatus = Literal["submitted", "completed", "expired", "cancelled", "failed"]
Outcome = Literal["succeeded", "errored", "expired", "cancelled"]

# One call, unless it moves a file; the sensor has 40 s for all of them.
CALL_TIMEOUT_SECONDS = 15.0
TRANSFER_TIMEOUT_SECONDS = 600.0

# An ordinary call to a model that thinks before it answers.
ASK_TIMEOUT_SECONDS = 120.0

# Which request an ordinary call is about. Providers pass over headers that they do not know.
CUSTOM_ID_HEADER = "X-Grabient-Custom-Id"

# Creation answers late when a batch is large, and an answer given up on is the one costly kind of failure.
CREATE_TIMEOUT_SECONDS = 300.0


@cache
def tls_context() -> ssl.SSLContext:
    """What all clients of a process use: each left alone reads the certificates anew, which takes 20 ms each time."""
    import httpx2

    return httpx2.create_ssl_context()


@dataclass(frozen=True, slots=True)
class Route:
    """A provider and the way in which requests reach it; `provider` is its key in the catalogue."""

    provider: str
    access: AccessMode = "batch"

    @property
    def label(self) -> str:
        """The route as people read it: `groq` or `groq (direct)`."""
        return self.provider if self.access == "batch" else f"{self.provider} ({self.access})"


@dataclass(frozen=True, slots=True)
class Framing:
    """How request lines stand in the file that is sent: before the first, between two, after the last."""

    head: bytes = b""
    separator: bytes = b"\n"
    tail: bytes = b"\n"


@dataclass(frozen=True, slots=True)
class PromptPayload:
    """What is asked of a model: the same for every request of a batch but for the user's text."""

    system: str
    schema: Mapping[str, Any]
    schema_name: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A batch ready to go: its token, and the file that is sent as it stands.

    `before_creation` is called once, right before the call that makes the batch: from then on it may exist.
    """

    token: str
    model: str
    file: Path
    before_creation: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch as its provider tells of it. `provider_status` is the provider's own word."""

    status: BatchStatus
    provider_status: str
    completed: int | None = None
    failed: int | None = None
    ended_at: dt.datetime | None = None
    error: str | None = None


# A named tuple, as one is made for every answer: a frozen dataclass takes four times as long.
class ResultRow(NamedTuple):
    """One answer of a batch. Tokens are those that are paid for; hidden reasoning counts as output."""

    custom_id: str
    outcome: Outcome
    text: str | None = None
    finish_reason: str | None = None
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A line of results that is not what the provider promises."""

    line: str
    reason: str


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """A batch whose creation was not answered: the token that went with it, when, and with how many requests.

    `known`: the ids of this provider's batches that belong to other submissions of ours.
    """

    token: str
    since: dt.datetime
    request_count: int
    known: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The outcome of looking for a batch by its token.

    `thorough` is True when everything since the given time was seen and could be told apart, so that a batch that
    was not found is not there. `candidates` may be ours, but cannot be told until they have ended.
    """

    batch_id: str | None
    evidence: str
    thorough: bool
    candidates: tuple[str, ...] = ()


class RequestFormat(Protocol):
    """How a provider's requests are written."""

    @property
    def key(self) -> str:
        """The provider's key in the catalogue."""
        ...

    @property
    def endpoint(self) -> str:
        """The host that the requests go to."""
        ...

    @property
    def framing(self) -> Framing:
        """How the file of requests is put together."""
        ...

    def request(self, model: Model, question: PromptPayload, custom_id: str, text: str) -> dict[str, Any]:
        """Return one request, as it stands in the file of a batch."""
        ...


class BatchProvider(Protocol):
    """A batch API.

    Every method raises `ProviderRefused` when the provider certainly did not do it, and `ProviderUncertain` when that
    cannot be known. The SDK's own retries are on for reading and off for creating: with them on, one lost answer makes
    two or three paid batches.
    """

    @property
    def key(self) -> str:
        """The name of the provider in the catalogue."""
        ...

    @property
    def access(self) -> AccessMode:
        """How models are asked through it."""
        ...

    @property
    def endpoint(self) -> str:
        """The host that the requests go to."""
        ...

    @property
    def framing(self) -> Framing:
        """How the file of requests is put together."""
        ...

    def request(self, model: Model, question: PromptPayload, custom_id: str, text: str) -> dict[str, Any]:
        """One request, as it stands in the file of a batch."""
        ...

    def check(self) -> None:
        """One cheap call: is the provider there, and does it take the key?"""
        ...

    def submit(self, submission: Submission) -> str:
        """Create the batch, at most once; its id at the provider."""
        ...

    def poll(self, batch_id: str) -> BatchState:
        """How the batch is getting on."""
        ...

    def download(self, batch_id: str, folder: Path) -> list[Path]:
        """Stream what there is of results and errors into files of lines; none where the batch produced nothing."""
        ...

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        """One line of those files. Never raises."""
        ...

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a request of a batch's file as one ordinary call, at most once; the row that a batch would give of it.

        Raises:
            ProviderBusy: it did nothing, and will later.
        """
        ...

    def cancel(self, batch_id: str) -> None:
        """Ask for the end of the batch; what was finished is still collected."""
        ...

    def find(self, sought: LookupRequest) -> LookupResult:
        """Look for a batch among all that were created since then."""
        ...


_READ_BYTES = 1 << 20


def result_rows(provider: BatchProvider, files: list[Path]) -> Iterator[ResultRow | UnreadableRow]:
    """Every row of downloaded results, a line at a time: memory does not grow with the file."""
    for path in files:
        # Each read lets go of the interpreter for a moment, too short for another thread to wake up and take it, and
        # makes it begin its waiting anew: with small reads the thread that has the database would starve.
        with path.open("rb", buffering=_READ_BYTES) as file:
            # Only b"\n" ends a line here; the SDKs' text iterators also split at U+2028 inside an answer.
            for line in file:
                stripped = line.strip()
                if stripped:
                    yield provider.read_row(stripped)
