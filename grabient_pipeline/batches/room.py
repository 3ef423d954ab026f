"""The room in the queue of an account for one more batch of a model, and what a batch has to wait for.

All of it is derived: what is occupied from the ledger, the limits from `account_limits.py`, waits and ceilings from the
log of refusals. A ceiling is our guess at a limit that a refusal did not name, or at what others use of the account.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from grabient_pipeline.batches.account_limits import QUEUE_KINDS, UNLIMITED, AccountLimits, read_account_limits
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.formatting import printable
from grabient_pipeline.providers.base import AccessMode
from grabient_pipeline.providers.catalogue import Model, load_catalogue
from grabient_pipeline.providers.queue_refusals import QueueKind
from grabient_pipeline.warehouse import sql

# A batch takes at most this part of the limit, so that the queue stays full as batches end.
_PIECES: Final = 4
_LONGEST_WAIT_SECONDS: Final = 3600.0
_COUNTED_TOGETHER: Final = dt.timedelta(hours=2)
_CEILING_DOUBLES: Final = dt.timedelta(hours=1)
# What all models of an account share.
_SHARED: Final = frozenset({"requests", "jobs", "rate"})
_LONGEST_REASON: Final = 240


@dataclass(frozen=True, slots=True)
class Occupied:
    """What batches hold: tokens of one model, requests and batches of all models, and the batches of the model."""

    tokens: int
    requests: int
    jobs: int
    jobs_of_model: int


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What may be held until the queue has shown that more fits; None if nothing was refused lately."""

    tokens: int | None = None
    requests: int | None = None
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class RoomUse:
    """How much of the room there is is used, of one kind, and where the limit is from."""

    kind: QueueKind
    used: int
    most: int
    source: str

    def __str__(self) -> str:
        kind = "batches" if self.kind == "jobs" else self.kind
        return f"{self.used:,} of {self.most:,} {kind} ({self.source})"


@dataclass(frozen=True, slots=True)
class Room:
    """The queue of a model.

    `waits_until`: nothing is sent before then. `waits_for`: why, in one line; None if nothing is waited for. A wait
    without an end needs a person, as `is_hopeless` says.
    """

    limits: AccountLimits
    occupied: Occupied
    ceilings: Ceilings
    waits_until: dt.datetime | None = None
    waits_for: str | None = None

    @classmethod
    def unlimited(cls) -> Room:
        """Return the room of ordinary calls, which are not queued."""
        return cls(UNLIMITED, Occupied(0, 0, 0, 0), Ceilings())

    @property
    def refusal(self) -> str | None:
        """Why nothing can be sent now, in one line; None if there may be room."""
        return self.waits_for or (self.lack if 0 in (self.free_tokens, self.free_requests, self.free_jobs) else None)

    @property
    def lack(self) -> str:
        """How much of the room there is is used, in one line."""
        used = ", ".join(map(str, self.uses))
        return f"waits for room: {used} are in use" if used else "waits for room"

    @property
    def uses(self) -> tuple[RoomUse, ...]:
        """How much of each kind is used; nothing of the kinds that have no limit."""
        limits, occupied, ceilings = self.limits, self.occupied, self.ceilings
        kinds: tuple[tuple[QueueKind, int, int | None, int | None, str], ...] = (
            ("tokens", occupied.tokens, limits.tokens, ceilings.tokens, limits.tokens_source),
            ("requests", occupied.requests, limits.requests, ceilings.requests, limits.requests_source),
            ("jobs", occupied.jobs, limits.jobs, ceilings.jobs, limits.jobs_source),
        )
        return tuple(
            RoomUse(kind, used, min(bounds), source)
            for kind, used, limit, ceiling, source in kinds
            if (bounds := [bound for bound in (limit, ceiling) if bound is not None])
        )

    @property
    def free_tokens(self) -> int | None:
        """The tokens of the model that fit; None if there is no limit."""
        return _free(self.limits.tokens, self.ceilings.tokens, self.occupied.tokens)

    @property
    def free_requests(self) -> int | None:
        """The requests that fit; None if there is no limit."""
        return _free(self.limits.requests, self.ceilings.requests, self.occupied.requests)

    @property
    def free_jobs(self) -> int | None:
        """The batches that fit; None if there is no limit."""
        return _free(self.limits.jobs, self.ceilings.jobs, self.occupied.jobs)

    @property
    def piece_tokens(self) -> int | None:
        """The most tokens of one batch; None if there is no limit."""
        return _piece(self.limits.tokens)

    @property
    def piece_requests(self) -> int | None:
        """The most requests of one batch; None if there is no limit."""
        return _piece(self.limits.requests)

    @property
    def is_idle(self) -> bool:
        """Whether no batch of this model holds anything."""
        return self.occupied.jobs_of_model == 0

    @property
    def is_hopeless(self) -> bool:
        """Whether the account has no queue, so that only a person can help."""
        return self.limits.has_no_queue


@dataclass(frozen=True, slots=True)
class _Refused:
    """A refusal, and whether it came after what a person said last of the account."""

    model: str
    kind: str
    named_limit: int | None
    occupied: int
    size: int
    retry_after_seconds: float | None
    reason: str
    refused_at: dt.datetime
    is_since_set: bool

    @property
    def is_full_queue(self) -> bool:
        """Whether it was for want of room."""
        return self.kind in QUEUE_KINDS

    def ceiling(self, now: dt.datetime) -> int | None:
        """Return what fits for all that this refusal shows; None if the limit that it names says more."""
        wanted = self.occupied + self.size
        if not self.is_since_set or (self.named_limit is not None and self.named_limit < wanted):
            return None
        hours = max(0, (now - self.refused_at) // _CEILING_DOUBLES)
        return max(1, self.occupied, wanted // 2) * 2**hours


def room_of(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    model: Model,
    access: AccessMode,
    *,
    is_explicit: bool = False,
) -> Room:
    """Read the room for a batch of a model on the accounts of a workspace; ordinary calls have no limit.

    `is_explicit` as in `read_room`.
    """
    if access == "direct":
        return Room.unlimited()
    return read_room(
        connection,
        model,
        unlimited=workspace.unlimited,
        poll_seconds=workspace.poll_seconds,
        is_explicit=is_explicit,
    )


def read_room(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    *,
    unlimited: bool,
    poll_seconds: float,
    is_explicit: bool = False,
    now: dt.datetime | None = None,
) -> Room:
    """Read the room for a batch of a model.

    Args:
        connection: to the working database.
        model: the model.
        unlimited: as in `read_account_limits`.
        poll_seconds: the time between two polls, which is the shortest wait after a refusal.
        is_explicit: whether a person asks for it right now: then only a full queue makes it wait, and what the provider
            asked us to wait.
        now: the moment; by default the present.
    """
    moment = now or dt.datetime.now(dt.UTC)
    limits = read_account_limits(connection, model, unlimited=unlimited, now=moment)
    parameters = {"provider": model.provider, "model": model.id, "now": moment}
    refusals = [
        _Refused(*row) for row in connection.execute(sql(__package__, "recent_refusals"), parameters).fetchall()
    ]
    waited_for = [each for each in refusals if not is_explicit or each.is_full_queue or each.retry_after_seconds]
    until, reason = _wait(model, waited_for, poll_seconds, moment)
    if limits.has_no_queue:
        until, reason = None, _no_queue(model)
    return Room(
        limits,
        read_occupied(connection, model.provider, model.id, now=moment),
        Ceilings(*(_ceiling(kind, model, refusals, moment) for kind in ("tokens", "requests", "jobs"))),
        until,
        reason,
    )


def read_occupied(
    connection: duckdb.DuckDBPyConnection,
    provider: str,
    model: str,
    *,
    now: dt.datetime,
    except_submission: str | None = None,
) -> Occupied:
    """Read what the batches of this ledger hold in the queues of an account, but for one of them."""
    parameters = {"provider": provider, "model": model, "now": now, "except_submission": except_submission}
    (row,) = connection.execute(sql(__package__, "occupied"), parameters).fetchall()
    return Occupied(*row)


def _free(limit: int | None, ceiling: int | None, occupied: int) -> int | None:
    bounds = [bound for bound in (limit, ceiling) if bound is not None]
    return max(0, min(bounds) - occupied) if bounds else None


def _piece(limit: int | None) -> int | None:
    return None if limit is None else max(1, limit // _PIECES)


def _ceiling(kind: QueueKind, model: Model, refusals: Iterable[_Refused], now: dt.datetime) -> int | None:
    found = [
        ceiling
        for refusal in refusals
        if refusal.kind == kind and (kind in _SHARED or refusal.model == model.id)
        if (ceiling := refusal.ceiling(now)) is not None
    ]
    return min(found, default=None)


def _wait(
    model: Model, refusals: Sequence[_Refused], poll_seconds: float, now: dt.datetime
) -> tuple[dt.datetime | None, str | None]:
    """Return until when refusals make us wait, and why: those of the model or of the account, whichever is longer."""
    of_account = [refusal for refusal in refusals if refusal.kind in _SHARED]
    of_model = [refusal for refusal in refusals if refusal.kind not in _SHARED and refusal.model == model.id]
    ends = [(_end_of_wait(alike, poll_seconds), alike[-1]) for alike in (of_account, of_model) if alike]
    until, last = max(ends, key=lambda end: end[0], default=(now, None))
    if last is None or until <= now:
        return None, None
    name = load_catalogue().provider(model.provider).name
    reason = printable(last.reason, _LONGEST_REASON).rstrip(". ")
    return until, f"{name} refused a batch of {last.model}: {reason}; nothing is sent until {_minute(until)} UTC"


def _end_of_wait(alike: Sequence[_Refused], poll_seconds: float) -> dt.datetime:
    last = alike[-1]
    count = sum(refusal.refused_at >= last.refused_at - _COUNTED_TOGETHER for refusal in alike)
    # The power would be too large for a float long after it is above the longest wait.
    pause = min(_LONGEST_WAIT_SECONDS, poll_seconds * 2 ** min(count - 1, 20))
    return last.refused_at + dt.timedelta(seconds=max(last.retry_after_seconds or 0.0, pause))


def _minute(moment: dt.datetime) -> str:
    """Return a time in UTC, to the minute and never too early."""
    return f"{moment.astimezone(dt.UTC) + dt.timedelta(seconds=59):%d %b %H:%M}"


def _no_queue(model: Model) -> str:
    name = load_catalogue().provider(model.provider).name
    return (
        f"{name} says that this account may queue no batches of {model.id} (its limit is 0); raise the limit there, "
        f"then run grabient config set tier {model.provider} TIER"
    )
