"""Ask the providers how their batches are getting on, and write it down.

One call a batch, several at once, within a budget of time: a provider that hangs holds up nobody, since each has
threads of its own and whoever is not back in time is asked again at the next poll.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.providers.base import BatchProvider, BatchState
from grabient_pipeline.warehouse import Warehouse, sql, transaction

# The sensor's tick is cut at 60 s; this leaves room for the rest of it.
BUDGET_SECONDS = 40.0
_THREADS_A_PROVIDER = 4

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
    """A batch that is under way at its provider."""

    submission: str
    api: str
    batch_id: str


@dataclass(frozen=True)
class PollReport:
    """What a poll saw: the state of each batch by submission, and why the others could not be asked."""

    states: Mapping[str, BatchState] = field(default_factory=dict[str, BatchState])
    failures: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def ended(self) -> tuple[str, ...]:
        return tuple(name for name, state in self.states.items() if state.status != "submitted")

    @property
    def pending(self) -> int:
        """How many batches are still under way, as far as is known."""
        return len(self.states) + len(self.failures) - len(self.ended)

    @property
    def blind(self) -> bool:
        """There was something to ask about, and nobody answered."""
        return bool(self.failures) and not self.states


def pending_batches(warehouse: Warehouse, wait_seconds: float) -> list[PendingBatch]:
    """What is under way."""
    with warehouse.connect(wait_seconds) as connection:
        rows = connection.execute(sql(__package__, "pending_batches")).fetchall()
    return [PendingBatch(*row) for row in rows]


def ask_providers(
    pending: Iterable[PendingBatch],
    open_provider: Callable[[str], BatchProvider],
    budget_seconds: float = BUDGET_SECONDS,
) -> PollReport:
    """One call a batch, within the budget; never raises for a provider's sake."""
    deadline = time.monotonic() + budget_seconds
    answers: queue.SimpleQueue[tuple[PendingBatch, BatchState | str]] = queue.SimpleQueue()
    by_provider: dict[str, queue.SimpleQueue[PendingBatch]] = {}
    waiting: dict[str, PendingBatch] = {}
    for batch in pending:
        by_provider.setdefault(batch.api, queue.SimpleQueue()).put(batch)
        waiting[batch.submission] = batch

    def ask(key: str, provider: BatchProvider, todo: queue.SimpleQueue[PendingBatch]) -> None:
        while time.monotonic() < deadline:
            try:
                batch = todo.get_nowait()
            except queue.Empty:
                return
            try:
                answers.put((batch, provider.poll(batch.batch_id)))
            except GrabientError as error:
                answers.put((batch, str(error)))
            except Exception as error:
                answers.put((batch, f"{key}: an answer that was not understood ({type(error).__name__})"))

    for key, todo in by_provider.items():
        try:
            provider = open_provider(key)
        except GrabientError as error:
            for batch in [batch for batch in waiting.values() if batch.api == key]:
                answers.put((batch, str(error)))
            continue
        for _ in range(min(_THREADS_A_PROVIDER, todo.qsize())):
            # A thread of a pool would keep the process from ending while its call hangs.
            threading.Thread(target=ask, args=(key, provider, todo), daemon=True).start()

    states: dict[str, BatchState] = {}
    failures: dict[str, str] = {}
    while waiting and (left := deadline - time.monotonic()) > 0:
        try:
            batch, answer = answers.get(timeout=left)
        except queue.Empty:
            break
        waiting.pop(batch.submission)
        if isinstance(answer, str):
            failures[batch.submission] = answer
        else:
            states[batch.submission] = answer
    for batch in waiting.values():
        failures[batch.submission] = f"{batch.api}: no answer within {budget_seconds:.0f} s"
    return PollReport(states, failures)


def record_states(warehouse: Warehouse, states: Mapping[str, BatchState], wait_seconds: float) -> None:
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
    with warehouse.connect(wait_seconds) as connection, transaction(connection):
        connection.register("polled", polled)
        connection.execute(sql(__package__, "record_poll"))
        connection.unregister("polled")


def poll(
    warehouse: Warehouse,
    open_provider: Callable[[str], BatchProvider],
    *,
    budget_seconds: float = BUDGET_SECONDS,
    wait_seconds: float = 5.0,
) -> PollReport:
    """Read what is under way, ask about it, write the answers down.

    Raises:
        WarehouseBusy: the database was not to be had within `wait_seconds`.
    """
    report = ask_providers(pending_batches(warehouse, wait_seconds), open_provider, budget_seconds)
    crash_point("poll.asked")
    record_states(warehouse, report.states, wait_seconds)
    crash_point("poll.recorded")
    return report
