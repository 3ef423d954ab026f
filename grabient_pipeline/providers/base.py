"""What the pipeline expects of a batch API, and the plain values that it exchanges with one.

SDK types stay inside the implementations, one module per provider. Nothing here knows Dagster or DuckDB.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple, Protocol

from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.catalogue import Model

if TYPE_CHECKING:
    import ssl

# How requests are sent: in batches at half price, or by ordinary calls at full price.
AccessMode = Literal["batch", "direct"]
BatchStatus = Literal["submitted", "completed", "expired", "cancelled", "failed"]
Outcome = Literal["succeeded", "errored", "expired", "cancelled"]

# One call that moves no file; the sensor has 40 s for all of its calls.
CALL_TIMEOUT_SECONDS: Final = 15.0
TRANSFER_TIMEOUT_SECONDS: Final = 600.0

# An ordinary call to a model that reasons before it answers.
ASK_TIMEOUT_SECONDS: Final = 120.0

# Creating a large batch is slow, and giving up on the answer is the one expensive kind of failure.
CREATE_TIMEOUT_SECONDS: Final = 300.0

# A clock here that is ahead of the provider's must not hide a batch from a lookup.
CLOCK_MARGIN: Final = dt.timedelta(hours=1)

# Names the request of an ordinary call. Providers ignore headers that they do not know.
CUSTOM_ID_HEADER: Final = "X-Grabient-Custom-Id"


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS context that all clients share: each would otherwise load the certificates again, in 20 ms."""
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
    """The bytes around requests in a request file: before the first, between two, and after the last."""

    head: bytes = b""
    separator: bytes = b"\n"
    tail: bytes = b"\n"


@dataclass(frozen=True, slots=True)
class PromptPayload:
    """What every request of a batch shares: the system prompt and the JSON schema of the answer."""

    system: str
    schema: Mapping[str, Any]
    schema_name: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A batch to create: its submission id, its model, and the request file, which is sent as it is.

    `before_creation` is called once, right before the call that creates the batch: from then on it may exist.
    """

    submission: str
    model: str
    file: Path
    before_creation: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class BatchState:
    """The state of a batch at its provider. `provider_status` is the provider's own word for it."""

    status: BatchStatus
    provider_status: str
    completed: int | None = None
    failed: int | None = None
    ended_at: dt.datetime | None = None
    error: str | None = None


# A named tuple because one is made for every answer: a frozen dataclass takes four times as long.
class ResultRow(NamedTuple):
    """The result of one request. Tokens are those that are billed; hidden reasoning counts as output."""

    custom_id: str
    outcome: Outcome
    text: str | None = None
    finish_reason: str | None = None
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A line of results that does not have the documented form."""

    line: str
    reason: str


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """A batch whose creation was not confirmed.

    `submission` is the id that was sent with it, `since` the time of its reservation. `known` holds the ids of the
    provider's batches that belong to other submissions.
    """

    submission: str
    since: dt.datetime
    request_count: int
    known: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The outcome of looking for a batch by its submission id.

    `thorough` is True when every batch since the given time was listed and could be identified, so that a batch that
    was not found does not exist. `candidates` may be the batch but cannot be identified until they have ended.
    """

    batch_id: str | None
    evidence: str
    thorough: bool
    candidates: tuple[str, ...] = ()


class RequestFormat(Protocol):
    """How a provider's requests are written, which needs neither an API key nor an SDK.

    The classes that implement `BatchProvider` are themselves request formats.
    """

    @property
    def key(self) -> str:
        """The provider's key in the catalogue."""
        ...

    @property
    def access(self) -> AccessMode:
        """How requests are sent."""
        ...

    @property
    def framing(self) -> Framing:
        """How requests are joined in a request file."""
        ...

    def request(self, model: Model, payload: PromptPayload, custom_id: str, text: str) -> dict[str, Any]:
        """Return one request as it is written to a request file; `text` is the user's message."""
        ...


class BatchProvider(RequestFormat, Protocol):
    """A batch API.

    Every method that calls the provider raises `ProviderRefused` when the provider certainly did nothing, and
    `ProviderUncertain` when that cannot be known. The SDK's own retries are on for reading and off for creating a
    batch: with them on, one lost answer creates two or three paid batches.
    """

    @property
    def endpoint(self) -> str:
        """The host that requests are sent to."""
        ...

    def check(self) -> None:
        """Make one cheap call that shows whether the provider can be reached and accepts the key."""
        ...

    def submit(self, submission: Submission) -> str:
        """Create the batch, at most once, and return its id at the provider."""
        ...

    def poll(self, batch_id: str) -> BatchState:
        """Return the state of the batch."""
        ...

    def download(self, batch_id: str, folder: Path) -> list[Path]:
        """Stream all results and errors of the batch into files of lines; an empty list if it produced none."""
        ...

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        """Read one line of the downloaded files. Never raises."""
        ...

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one request of a request file as an ordinary call, at most once.

        Returns:
            The row that a batch would give for the request.

        Raises:
            ProviderBusy: The provider did nothing, and the call can be repeated later.
        """
        ...

    def cancel(self, batch_id: str) -> None:
        """Ask the provider to end the batch; results that are finished can still be collected."""
        ...

    def find(self, lookup: LookupRequest) -> LookupResult:
        """Look for a batch among all batches that were created since the given time."""
        ...

    def work(self, batch_id: str, progress: Progress = SILENT) -> None:
        """Send the requests of the batch that have not been sent, where that is not the provider's job.

        Raises:
            ProviderError: The account was refused or is out of quota. Answers are kept, and the rest can wait.
        """
        ...

    def forget(self, batch_id: str) -> None:
        """Delete what is kept here about a batch whose results have been collected."""
        ...


class RunsRemotely:
    """A provider that runs batches itself and keeps their files: there is nothing to do for them here."""

    access: ClassVar[AccessMode] = "batch"

    def work(self, batch_id: str, progress: Progress = SILENT) -> None:
        """Do nothing: the provider sends the requests."""

    def forget(self, batch_id: str) -> None:
        """Do nothing: the provider deletes its files when their time is up."""


_READ_BYTES: Final = 1 << 20


def result_rows(provider: BatchProvider, files: list[Path]) -> Iterator[ResultRow | UnreadableRow]:
    """Read every row of downloaded results, line by line, so that memory does not grow with the file."""
    for path in files:
        # Every read releases the interpreter, too briefly for a waiting thread to take over, which then has to queue
        # again: with small reads, the thread that writes to the database would starve.
        with path.open("rb", buffering=_READ_BYTES) as file:
            # Only b"\n" ends a line; the SDKs' text iterators also split at U+2028 inside an answer.
            for line in file:
                stripped = line.strip()
                if stripped:
                    yield provider.read_row(stripped)
