"""What the pipeline expects of a batch API, and the plain values that it exchanges with one.

SDK types stay inside the implementations, one module per provider. Nothing here knows Dagster or DuckDB.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol

from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.clock import ProviderClock

# How requests are sent: in batches at half price, or by ordinary calls, at full price unless the model has flex.
AccessMode = Literal["batch", "direct"]
BatchStatus = Literal["submitted", "completed", "expired", "cancelled", "failed"]
Outcome = Literal["succeeded", "errored", "expired", "cancelled"]
# Whether a batch that ended in some status owes a row to each request that has none. A batch that failed as a whole and
# says why, without counts, ran nothing.
Owed = Literal["every row", "every row unless explained", "no row"]

# What most providers owe; one that differs has a table of its own.
OWED: Final[Mapping[BatchStatus, Owed]] = {
    "completed": "every row",
    "expired": "every row",
    "cancelled": "every row",
    "failed": "every row unless explained",
}

# One call that moves no file; the sensor has 40 s for all of its calls.
CALL_TIMEOUT_SECONDS: Final = 15.0
TRANSFER_TIMEOUT_SECONDS: Final = 600.0

# An ordinary call to a model that reasons before it answers.
ASK_TIMEOUT_SECONDS: Final = 120.0

# A call at the tier flex is slow by design; OpenAI's guide advises 15 minutes.
FLEX_TIMEOUT_SECONDS: Final = 900.0

# Creating a large batch is slow, and giving up on the answer is the one expensive kind of failure.
CREATE_TIMEOUT_SECONDS: Final = 300.0

# How much older than its reservation a batch may seem: the clocks were compared at another moment.
CLOCK_MARGIN: Final = dt.timedelta(hours=1)

# The attempted action, as error messages name it.
LISTING_MODELS: Final = "asking for the list of models"
# The service tiers that an ordinary call can ask for: flex at the price of a batch, when there is room, or default.
ServiceTier = Literal["flex", "default"]

# Names the request of an ordinary call. Providers ignore headers that they do not know.
CUSTOM_ID_HEADER: Final = "X-Grabient-Custom-Id"


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
    """What every request of a batch shares: the system prompt and the JSON schema of the answer.

    `picture_type`: the media type of the picture that each request carries, such as `image/png`; None without one.
    """

    system: str
    schema: Mapping[str, Any]
    schema_name: str
    picture_type: str | None = None


# What a batch says about itself, in this order, and the form of each part. A provider's listing is not trusted.
_IDENTITY: Final[Mapping[str, re.Pattern[str]]] = {
    "submission": re.compile(r"[a-z2-7]{16}"),
    "ledger": re.compile(r"[a-z0-9]{5}"),
    "stage": re.compile(r"tagging|refinement"),
    "model": re.compile(r"[a-z0-9_-]{1,40}/[A-Za-z0-9._:/-]{1,120}"),
    "prompt_version": re.compile(r"[0-9a-f]{12}"),
}
_COUNT: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class BatchIdentity:
    """What a batch is about, sent along with it so that it can be recognised without the ledger.

    `ledger` is the id of the ledger that reserved it, `stage` tagging or refinement, `model` a `provider/model` name.
    """

    submission: str
    ledger: str
    stage: str
    model: str
    prompt_version: str
    request_count: int

    @property
    def metadata(self) -> dict[str, str]:
        """The identity as text by name, for batches that carry metadata."""
        return {
            "submission": self.submission,
            "ledger": self.ledger,
            "stage": self.stage,
            "model": self.model,
            "prompt_version": self.prompt_version,
            "requests": str(self.request_count),
        }

    @property
    def title(self) -> str:
        """The identity in one line, for batches that carry a name only. Its first word is the submission."""
        return f"{self.submission} {self.ledger} {self.stage} {self.model} {self.prompt_version}"

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> BatchIdentity | None:
        """Read the metadata of a batch; None if a part is missing or has another form."""
        requests = metadata.get("requests")
        count = int(requests) if isinstance(requests, str) and _COUNT.fullmatch(requests) else 0
        return cls._checked([metadata.get(name) for name in _IDENTITY], count)

    @classmethod
    def from_title(cls, title: str, request_count: int = 0) -> BatchIdentity | None:
        """Read the name of a batch, which does not say how many requests it has; None if it has another form."""
        return cls._checked(title.split(" "), request_count)

    @classmethod
    def _checked(cls, parts: Sequence[object], request_count: int) -> BatchIdentity | None:
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) != len(parts) or len(parts) != len(_IDENTITY):
            return None
        if not all(form.fullmatch(text) for form, text in zip(_IDENTITY.values(), texts, strict=True)):
            return None
        submission, ledger, stage, model, prompt_version = texts
        return cls(submission, ledger, stage, model, prompt_version, request_count)


_WINDOW: Final = re.compile(r"([1-9][0-9]{0,3})([hd])")
_DAY_HOURS: Final = 24


def read_window(text: object) -> int | None:
    """Return the hours of a window such as `24h` or `7d`; None for another form."""
    match = _WINDOW.fullmatch(text) if isinstance(text, str) else None
    return int(match[1]) * (_DAY_HOURS if match[2] == "d" else 1) if match else None


def window_text(hours: int) -> str:
    """Return a window as providers write it: `24h`, and whole days above one as `7d`."""
    return f"{hours // _DAY_HOURS}d" if hours > _DAY_HOURS and hours % _DAY_HOURS == 0 else f"{hours}h"


@dataclass(frozen=True, slots=True)
class Submission:
    """A batch to create: what it is about, the model's id, and the request file, which is sent as it is.

    `window_hours`: after so many hours the provider ends it; None for the usual time.

    `before_creation` is called once, right before the call that creates the batch: from then on it may exist.
    """

    identity: BatchIdentity
    model: str
    file: Path
    before_creation: Callable[[], object] = lambda: None
    window_hours: int | None = None

    @property
    def submission(self) -> str:
        """The submission id."""
        return self.identity.submission


@dataclass(frozen=True, slots=True)
class BatchState:
    """The state of a batch at its provider. `provider_status` is the provider's own word for it.

    `completed` and `failed` are the provider's counts of requests; None if it gives none.
    """

    status: BatchStatus
    provider_status: str
    completed: int | None = None
    failed: int | None = None
    ended_at: dt.datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a provider hands out for an ended batch: its state at that moment, and files of result lines, if any."""

    state: BatchState
    files: list[Path]


# A named tuple because one is made for every answer: a frozen dataclass takes four times as long.
class ResultRow(NamedTuple):
    """The result of one request. Tokens are those that are billed.

    Input includes what was read from the provider's cache or written into it, the latter for minutes or for an hour;
    output includes hidden reasoning. These parts are None where the provider does not tell them, and never more than
    the whole. `service_tier` is the provider's word for the tier that served the request.
    """

    custom_id: str
    outcome: Outcome
    text: str | None = None
    finish_reason: str | None = None
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_hour_tokens: int | None = None
    reasoning_tokens: int | None = None
    service_tier: str | None = None


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A line of results that does not have the documented form."""

    line: str
    reason: str


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """A batch whose creation was not confirmed.

    `submission` is the id that was sent with it. `since` is the time of its reservation by the provider's clock; None
    if that was not measured, and then no batch is too old. `known` holds the ids of the provider's batches that belong
    to other submissions.
    """

    submission: str
    since: dt.datetime | None
    request_count: int
    known: frozenset[str] = frozenset()

    @property
    def earliest(self) -> dt.datetime | None:
        """The creation time before which a batch is not the one that is looked for; None if there is no such time."""
        return None if self.since is None else self.since - CLOCK_MARGIN

    @property
    def period(self) -> str:
        """The time that a listing covers, in words."""
        return "ever" if self.since is None else f"since {self.since:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The outcome of looking for a batch by its submission id.

    `thorough` is True when every batch since the given time, or ever, was listed and could be identified, so that a
    batch that was not found does not exist. `candidates` may be the batch but cannot be identified until they have
    ended.
    """

    batch_id: str | None
    evidence: str
    thorough: bool
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedBatch:
    """A batch in a provider's listing, and what it says about whose it is.

    `identity` is what it carries; where a provider has no place for that, `custom_id` is the id of one of its requests.
    Both are None for a batch of another program, and for one that `is_unreadable`: nothing shows whose it is before it
    has ended. `request_count`, `window_hours`: None if the listing does not say.
    """

    batch_id: str
    created_at: dt.datetime | None = None
    identity: BatchIdentity | None = None
    custom_id: str | None = None
    request_count: int | None = None
    is_unreadable: bool = False
    window_hours: int | None = None


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model in its provider's list, and what the list says of its end.

    `ends_on`: the day on which requests begin to fail; None if the list names none. `unreadable_end`: what it names
    instead of a day. `is_deprecated`: it ends, perhaps on a day that is not known. `is_retired`: it cannot be called.
    `takes_batches`: None if the list does not say.
    """

    id: str
    ends_on: dt.date | None = None
    unreadable_end: str | None = None
    is_deprecated: bool = False
    is_retired: bool = False
    takes_batches: bool | None = None


# Whether the rest of a batch may be sent at full price, given why flex was refused and how many requests are left: None
# if so, else the reason, in words that can follow a semicolon.
AllowFullPrice = Callable[[str, int], str | None]


def never_allow(refusal: str, left: int) -> str:
    """Keep a batch whose tier is refused from being sent at full price."""
    del refusal
    return f"{left} requests are not sent at full price"


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

    def request(
        self, model: Model, payload: PromptPayload, custom_id: str, text: str, picture: str | None = None
    ) -> dict[str, Any]:
        """Return one request as it is written to a request file.

        Args:
            text: the user's message.
            picture: what precedes the text, in base64; for a model that takes images, of the payload's media type.
        """
        ...

    def at_tier(self, request: Mapping[str, Any], tier: ServiceTier) -> dict[str, Any]:
        """Return a request for an ordinary call that asks for this service tier.

        Raises:
            ValueError: The requests of this provider cannot ask for one.
        """
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

    @property
    def owed(self) -> Mapping[BatchStatus, Owed]:
        """Which rows an ended batch owes, by its status."""
        ...

    def check(self) -> None:
        """Make one cheap call that shows whether the provider can be reached and accepts the key."""
        ...

    def clock_offset(self) -> dt.timedelta | None:
        """Return the provider's clock minus this machine's, by its newest answer; None before an answer says so."""
        ...

    def submit(self, submission: Submission) -> str:
        """Create the batch, at most once, and return its id at the provider."""
        ...

    def poll(self, batch_id: str) -> BatchState:
        """Return the state of the batch."""
        ...

    def list_states(self, batch_ids: Collection[str]) -> Iterator[tuple[str, BatchState]]:
        """Yield the states of these batches that the provider's list of batches shows, each once and with its id.

        One page of a list stands for a hundred calls of `poll`. A batch that is not in the list, or about which the
        list says less than `poll` would, is left out.
        """
        ...

    def download(self, batch_id: str, folder: Path) -> Delivery:
        """Ask for the state of an ended batch, and stream the results and errors that it names into files of lines."""
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
            TierUnavailable: The provider refused the service tier that the request asks for, and did nothing.
        """
        ...

    def list_models(self) -> Iterator[OfferedModel]:
        """Yield the models that the provider lists, and those that it says it has retired."""
        ...

    @staticmethod
    def announced_ends() -> Mapping[str, str]:
        """Return the ends of models that the installed SDK knows of, in its words, by model id; needs no key."""
        ...

    def cancel(self, batch_id: str) -> None:
        """Ask the provider to end the batch; results that are finished can still be collected."""
        ...

    def find(self, lookup: LookupRequest) -> LookupResult:
        """Look for a batch among all batches that were created since the given time, or among all."""
        ...

    def list_batches(self, since: dt.datetime | None, known: frozenset[str]) -> Iterator[ListedBatch]:
        """Yield the batches of the account that were created since then, or ever, except those with a known id.

        A batch whose creation time is not known is always among them.
        """
        ...

    def work(self, batch_id: str, progress: Progress = SILENT, allow_full_price: AllowFullPrice = never_allow) -> None:
        """Send the requests of the batch that have not been sent, where that is not the provider's job.

        Args:
            allow_full_price: Asked once if the provider refuses the tier flex, before the rest is sent at full price.

        Raises:
            ProviderError: The account was refused or is out of quota. Answers are kept, and the rest can wait.
            TierUnavailable: There was no room at the tier flex for long, or the rest may not be sent at full price.
        """
        ...

    def forget(self, batch_id: str) -> None:
        """Delete what is kept for a batch whose results have been collected, except the results.

        Best effort: what the provider does not delete now stays there. Raises no `ProviderError`.
        """
        ...

    def discard(self, submission: str) -> None:
        """Delete what was uploaded for a submission that the provider certainly has no batch of.

        Best effort, like `forget`.
        """
        ...


class RunsRemotely:
    """A provider that runs batches itself and keeps their files: there is nothing to do for them here.

    Its clients have the hooks of `_clock`.
    """

    access: ClassVar[AccessMode] = "batch"
    owed: ClassVar[Mapping[BatchStatus, Owed]] = OWED
    _clock: ProviderClock

    def clock_offset(self) -> dt.timedelta | None:
        """Return the provider's clock minus this machine's, by its newest answer; None before an answer says so."""
        return self._clock.offset

    @staticmethod
    def announced_ends() -> Mapping[str, str]:
        """Return nothing: most SDKs know of no ends."""
        return {}

    @staticmethod
    def at_tier(request: Mapping[str, Any], tier: ServiceTier) -> dict[str, Any]:
        """Raise `ValueError`: no service tier is known here, and another price than the expected one is no answer."""
        raise ValueError(f"the requests of this provider cannot ask for the service tier {tier}")

    def work(self, batch_id: str, progress: Progress = SILENT, allow_full_price: AllowFullPrice = never_allow) -> None:
        """Do nothing: the provider sends the requests."""

    def forget(self, batch_id: str) -> None:
        """Do nothing: the provider deletes its files when their time is up."""

    def discard(self, submission: str) -> None:
        """Do nothing, for the same reason."""


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
