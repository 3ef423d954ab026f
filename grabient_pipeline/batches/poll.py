"""Polling: ask the providers for the state of pending batches, and record it.

Where many batches are pending, the provider's list of batches says first which of them are still running; then one call
per batch, several at once, until a deadline. Each route has threads of its own, so a provider that hangs delays no
other. Those not asked about for longest come first, so that what is left over has its turn at the next poll.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import polars as pl

from grabient_pipeline.batches.ledger import record_trouble
from grabient_pipeline.batches.refusals import record_refusal, refusal_of
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.providers.base import AccessMode, BatchProvider, BatchState, Route
from grabient_pipeline.providers.registry import Providers
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse, registered, sql, transaction

# How long the providers have to answer, unless the caller's deadline is earlier.
POLL_SECONDS = 40.0

# Kept at the end of a deadline for recording what the providers answered.
RECORD_SECONDS = 10.0

# At 0.25 s a call, these ask about 1,000 batches in half a minute. More would meet the providers' limits of calls, of
# which Anthropic's first tier has 1,000 a minute for everything about batches.
_THREADS_PER_ROUTE = 8

# From so many pending batches on, a route is asked for its list: fewer take no longer one by one.
_LIST_FROM = 25

# Of the time of a route, its list gets at most this share.
_LIST_SHARE = 0.5

_POLLED = {
    "submission": pl.String,
    "status": pl.String,
    "provider_status": pl.String,
    "completed": pl.Int64,
    "failed": pl.Int64,
    "error": pl.String,
    "ended_at": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """A batch that its provider is working on. Nothing waits for an abandoned one."""

    submission: str
    route: Route
    batch_id: str
    abandoned: bool = False


@dataclass(frozen=True)
class PollReport:
    """The state of each batch by submission, and why the state of others is unknown.

    `refused`: of the latter, those that nobody can be asked about until a person has seen to the key or a setting.
    `postponed`: the submissions that there was no time to ask about; the next poll begins with them.
    """

    states: Mapping[str, BatchState] = field(default_factory=dict[str, BatchState])
    failures: Mapping[str, str] = field(default_factory=dict[str, str])
    refused: frozenset[str] = frozenset()
    postponed: frozenset[str] = frozenset()

    @property
    def ended(self) -> tuple[str, ...]:
        """The submissions of batches that have ended."""
        return tuple(name for name, state in self.states.items() if state.status != "submitted")

    @property
    def pending(self) -> int:
        """How many batches are still pending, as far as is known."""
        return len(self.states) + len(self.failures) + len(self.postponed) - len(self.ended)

    @property
    def unreachable(self) -> bool:
        """Whether there were batches to ask about and no provider answered."""
        return bool(self.failures) and not self.states

    @property
    def hopeless(self) -> bool:
        """Whether asking again is of no use: every batch is with a provider whose key is missing or refused."""
        return self.unreachable and self.refused >= self.failures.keys()

    def without(self, submissions: Iterable[str]) -> PollReport:
        """Return the report on the other batches."""
        left_out = frozenset(submissions)
        return replace(
            self,
            states={name: state for name, state in self.states.items() if name not in left_out},
            failures={name: reason for name, reason in self.failures.items() if name not in left_out},
            postponed=self.postponed - left_out,
        )


def pending_batches(warehouse: Warehouse, wait_seconds: float = WAIT_SECONDS) -> list[PendingBatch]:
    """Return the batches that providers are working on, those not asked about for longest first."""
    with warehouse.connect(wait_seconds) as connection:
        rows: list[tuple[str, str, AccessMode, str, bool]] = connection.execute(
            sql(__package__, "pending_batches")
        ).fetchall()
    return [
        PendingBatch(submission, Route(provider, access), batch_id, abandoned)
        for submission, provider, access, batch_id, abandoned in rows
    ]


def fetch_states(pending: Iterable[PendingBatch], providers: Providers, deadline: Deadline) -> PollReport:
    """Ask for the state of each batch until the deadline; a provider that fails becomes a failure in the report."""
    budget = deadline.remaining()
    polling = _Polling(pending, deadline)
    for route, batches in polling.by_route.items():
        try:
            provider = providers.open(route)
        except GrabientError as error:
            polling.fail(route, error)
            continue
        _start(polling.ask_all, provider, batches)
    return polling.report(budget)


def record_states(warehouse: Warehouse, states: Mapping[str, BatchState], wait_seconds: float = WAIT_SECONDS) -> None:
    """Write the states into the ledger."""
    if not states:
        return
    polled = pl.DataFrame(
        [
            (
                submission,
                state.status,
                state.provider_status,
                state.completed,
                state.failed,
                state.error,
                state.ended_at,
            )
            for submission, state in states.items()
        ],
        schema=_POLLED,
        orient="row",
    )
    with (
        warehouse.connect(wait_seconds) as connection,
        registered(connection, "polled", polled),
        transaction(connection),
    ):
        connection.execute(sql(__package__, "record_poll"))
        # Now and not when it is collected, so that nothing more is sent into the full queue meanwhile.
        for submission, state in states.items():
            refusal = refusal_of(state.error) if state.status == "failed" else None
            if refusal is not None:
                record_refusal(connection, submission, refusal)


def poll(workspace: Workspace, deadline: Deadline, *, wait_seconds: float = WAIT_SECONDS) -> PollReport:
    """Read which batches are pending, ask for their states, and record them.

    Args:
        deadline: the end of everything. The providers have until `RECORD_SECONDS` before it, at most `POLL_SECONDS`.
        wait_seconds: the longest wait for the database before they are asked.

    Raises:
        WarehouseBusy: another process held the database for longer.
    """
    pending = pending_batches(workspace.warehouse, deadline.remaining(wait_seconds))
    report = fetch_states(pending, workspace.providers, deadline.within(POLL_SECONDS, reserve=RECORD_SECONDS))
    crash_point("poll.asked")
    record_states(workspace.warehouse, report.states, deadline.remaining())
    record_trouble(workspace.warehouse, report.failures, deadline.remaining())
    crash_point("poll.recorded")
    return report.without(batch.submission for batch in pending if batch.abandoned)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a batch's state is unknown. `refused`: asking again is of no use."""

    reason: str
    refused: bool = False

    @classmethod
    def of(cls, error: GrabientError) -> _Failure:
        return cls(str(error), error.needs_person)


class _RouteBatches:
    """The batches of one route: those that no thread has asked about yet, and whether the provider has answered.

    `listed`: the submissions that were in the provider's list.
    """

    def __init__(self, route: Route) -> None:
        self.route = route
        self.unasked: deque[PendingBatch] = deque()
        self.listed: set[str] = set()
        self.answered = False

    def __len__(self) -> int:
        return len(self.unasked)


class _Polling:
    """The batches of one poll by route, and the answers as they come in."""

    def __init__(self, pending: Iterable[PendingBatch], deadline: Deadline) -> None:
        self.by_route: dict[Route, _RouteBatches] = {}
        self._unanswered: dict[str, PendingBatch] = {}
        self._answers: queue.SimpleQueue[tuple[PendingBatch, BatchState | _Failure]] = queue.SimpleQueue()
        self._deadline = deadline
        for batch in pending:
            self.by_route.setdefault(batch.route, _RouteBatches(batch.route)).unasked.append(batch)
            self._unanswered[batch.submission] = batch

    def fail(self, route: Route, error: GrabientError) -> None:
        """Answer for a route that could not be opened."""
        for batch in self.by_route[route].unasked:
            self._answers.put((batch, _Failure.of(error)))

    def ask_all(self, provider: BatchProvider, batches: _RouteBatches) -> None:
        """Ask about all batches of a route, by its list and then one by one."""
        if len(batches) >= _LIST_FROM:
            share = Deadline.after(self._deadline.remaining() * _LIST_SHARE)
            listing = _start(self._ask_list, provider, batches, share)
            # A list that hangs must not keep the single calls waiting.
            listing.join(share.remaining())
            batches.unasked = deque(batch for batch in batches.unasked if batch.submission not in batches.listed)
        for _ in range(min(_THREADS_PER_ROUTE, len(batches))):
            _start(self._ask_singly, provider, batches)

    def _ask_list(self, provider: BatchProvider, batches: _RouteBatches, deadline: Deadline) -> None:
        """Ask for the states in the provider's list. Whatever goes wrong, the single calls say why."""
        wanted = {batch.batch_id: batch for batch in batches.unasked}
        with suppress(Exception):
            for batch_id, state in provider.list_states(wanted.keys()):
                self._answer(batches, wanted[batch_id], state)
                batches.listed.add(wanted[batch_id].submission)
                if deadline.passed:
                    break

    def _ask_singly(self, provider: BatchProvider, batches: _RouteBatches) -> None:
        """Ask about one batch of the route after another; several threads do."""
        while not self._deadline.passed:
            try:
                batch = batches.unasked.popleft()
            except IndexError:
                return
            try:
                self._answer(batches, batch, provider.poll(batch.batch_id))
            except GrabientError as error:
                self._answer(batches, batch, _Failure.of(error))
            except Exception as error:
                reason = f"{batches.route.label}: unexpected response ({type(error).__name__})"
                self._answer(batches, batch, _Failure(reason))

    def _answer(self, batches: _RouteBatches, batch: PendingBatch, answer: BatchState | _Failure) -> None:
        batches.answered = True
        self._answers.put((batch, answer))

    def report(self, budget_seconds: float) -> PollReport:
        """Wait for the answers, no longer than the deadline."""
        states: dict[str, BatchState] = {}
        failures: dict[str, str] = {}
        refused: set[str] = set()
        while self._unanswered and (remaining := self._deadline.remaining()) > 0:
            try:
                batch, answer = self._answers.get(timeout=remaining)
            except queue.Empty:
                break
            # A list and a single call may both have answered.
            if self._unanswered.pop(batch.submission, None) is None:
                continue
            if isinstance(answer, BatchState):
                states[batch.submission] = answer
                continue
            failures[batch.submission] = answer.reason
            if answer.refused:
                refused.add(batch.submission)
        postponed = self._postponed()
        for batch in self._unanswered.values():
            if batch.submission not in postponed:
                failures[batch.submission] = f"{batch.route.label}: no response within {budget_seconds:.0f} s"
        return PollReport(states, failures, frozenset(refused), postponed)

    def _postponed(self) -> frozenset[str]:
        """Return the batches that were not asked about, of providers that do answer."""
        answering = [batches for batches in self.by_route.values() if batches.answered]
        return frozenset(batch.submission for batches in answering for batch in list(batches.unasked)) & frozenset(
            self._unanswered
        )


def _start(target: Callable[..., object], *arguments: object) -> threading.Thread:
    # Daemon threads: a pool's thread would keep the process alive while its call hangs.
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread
