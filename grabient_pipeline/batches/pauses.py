"""Pausing: a model whose batches end three times in a row without success gets no more until a person resumes it.

Its requests are neither failed nor missing: they were never run, and each new batch would end in the same way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.queue_refusals import queue_refusal
from grabient_pipeline.warehouse import Warehouse, sql

# So many rounds in a row end a loop that cannot succeed.
MAX_ROUNDS: Final = 3

# What passes by itself, like a full queue: a rate limit, a fault at the provider. An error begins with its code.
_TRANSIENT: Final = (
    "rate_limit",
    "quota_exceeded_temporarily",
    "server_error",
    "internal",
    "overloaded",
    "unavailable",
    "timeout",
    # Google's codes: internal, unavailable.
    "13:",
    "14:",
)


@dataclass(frozen=True, slots=True)
class PausedModel:
    """A model that nothing is submitted to, and why."""

    provider: str
    model: str
    reason: str
    paused_at: dt.datetime

    @property
    def name(self) -> str:
        """The model as `provider/model`."""
        return f"{self.provider}/{self.model}"

    @property
    def left_out(self) -> str:
        """Why a submission leaves it out, and what to do."""
        return f"{self.name} is paused: {self.reason}; grabient resume {self.name} lets it be asked again"


@dataclass(frozen=True, slots=True)
class _End:
    """How a settled batch ended."""

    status: str
    error: str | None
    created_at: dt.datetime
    collected_at: dt.datetime

    @property
    def cause(self) -> str | None:
        """What is the same in the rounds of a loop; None if the batch did its work or may do so next time."""
        if self.status in ("expired", "cancelled"):
            return self.status
        if self.status == "failed" and not _is_transient(self.error or ""):
            return f"failed: {(self.error or 'no reason').partition(':')[0]}"
        return None


def paused_models(warehouse: Warehouse) -> list[PausedModel]:
    """Return the models that are paused."""
    with warehouse.connect() as connection:
        return read_paused_models(connection)


def read_paused_models(connection: duckdb.DuckDBPyConnection) -> list[PausedModel]:
    """Return the models that are paused, from an open connection."""
    return [PausedModel(*row) for row in connection.execute(sql(__package__, "paused_models")).fetchall()]


def pause_if_failing(connection: duckdb.DuckDBPyConnection, provider: str, model: str) -> None:
    """Pause a model if the last three rounds of its batches ended alike, inside the caller's transaction.

    Batches of one round run at the same time: a round begins after the one before has been settled.
    """
    parameters = {"provider": provider, "model": model}
    ends = [_End(*row) for row in connection.execute(sql(__package__, "recent_ends"), parameters).fetchall()]
    rounds = _rounds_alike(ends)
    if len(rounds) < MAX_ROUNDS:
        return
    last = rounds[0]
    reason = f"its batches ended as {last.status} {len(rounds)} times in a row"
    if last.error:
        reason += f" ({last.error})"
    connection.execute(sql(__package__, "pause_model"), {**parameters, "reason": reason})


def resume(warehouse: Warehouse, model: Model) -> bool:
    """Let a paused model be asked again; False if it is not paused."""
    parameters = {"provider": model.provider, "model": model.id}
    with warehouse.connect(RECORD_WAIT_SECONDS) as connection:
        if not any(
            (each.provider, each.model) == (model.provider, model.id) for each in read_paused_models(connection)
        ):
            return False
        connection.execute(sql(__package__, "resume_model"), parameters)
    return True


def _rounds_alike(ends: Sequence[_End]) -> list[_End]:
    """Return the newest rounds that ended for the same cause, the newest first; one batch of each.

    Args:
        ends: the newest first.
    """
    rounds: list[_End] = []
    for end in ends:
        if end.status == "failed" and end.cause is None:
            # A full queue says nothing about the other rounds.
            continue
        if end.cause is None or (rounds and end.cause != rounds[0].cause):
            break
        if not rounds or end.collected_at <= rounds[-1].created_at:
            rounds.append(end)
    return rounds


def _is_transient(error: str) -> bool:
    if queue_refusal(error) is not None:
        return True
    text = error.lower()
    return any(text.startswith(word) or f"_{word}" in text.partition(":")[0] for word in _TRANSIENT)
