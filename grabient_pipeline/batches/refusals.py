"""The log of batches that a provider refused: why, and how full the queue was by our estimate.

Waits and ceilings are derived from it, in `room.py`. A row is written once and never changed.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import duckdb

from grabient_pipeline.batches.account_limits import QUEUE_KINDS
from grabient_pipeline.batches.room import Occupied, read_occupied
from grabient_pipeline.errors import ProviderBusy, ProviderError, ProviderRefused
from grabient_pipeline.providers.queue_refusals import QueueKind, queue_refusal
from grabient_pipeline.warehouse import sql

RefusalKind = QueueKind | Literal["rate", "other"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a provider said when it refused a batch.

    `kind`: what there was too much of; `rate` if calls came too fast, and `other` for another reason. `named_limit`:
    the limit, if it named one. `retry_after_seconds`: how long it asked us to wait.
    """

    reason: str
    kind: RefusalKind
    named_limit: int | None = None
    retry_after_seconds: float | None = None

    @property
    def is_full_queue(self) -> bool:
        """Whether the batch did not fit into the queue, which passes by itself."""
        return self.kind in QUEUE_KINDS


def refusal_of(error: str | ProviderError | None) -> Refusal | None:
    """Return the refusal that an error is.

    Args:
        error: the exception of a creation, or the error of a batch that failed.

    Returns:
        None if the batch may exist, or if it failed for another reason than a full queue.
    """
    if error is None or not isinstance(error, str | ProviderRefused):
        return None
    full = queue_refusal(error)
    retry_after_seconds = error.retry_after_seconds if isinstance(error, ProviderBusy) else None
    if full is not None:
        return Refusal(str(error), full.kind, full.limit, retry_after_seconds)
    if isinstance(error, str):
        return None
    kind = "rate" if isinstance(error, ProviderBusy) else "other"
    return Refusal(str(error), kind, None, retry_after_seconds)


def record_refusal(connection: duckdb.DuckDBPyConnection, submission: str, refusal: Refusal) -> None:
    """Record that a batch of the ledger was refused, inside the caller's transaction; once, however often it is called.

    What the other batches held is counted as the ledger has it, whether or not this batch is settled or released
    already: now if its creation was refused, else at its creation, since others may have ended before we saw it fail.
    """
    batches = connection.execute(
        "SELECT provider, model, estimated_input_tokens, request_count, batch_id IS NOT NULL FROM tag_batches "
        "WHERE submission = ?",
        [submission],
    ).fetchall()
    for provider, model, tokens, requests, was_created in batches:
        if was_created:
            (row,) = connection.execute(sql(__package__, "occupied_at_creation"), {"submission": submission}).fetchall()
            occupied = Occupied(*row)
        else:
            now = dt.datetime.now(dt.UTC)
            occupied = read_occupied(connection, provider, model, now=now, except_submission=submission)
        # Of another kind, tokens say how large the batch was.
        held, size = {"requests": (occupied.requests, requests), "jobs": (occupied.jobs, 1)}.get(
            refusal.kind, (occupied.tokens, tokens)
        )
        connection.execute(
            sql(__package__, "insert_refusal"),
            {
                "submission": submission,
                "provider": provider,
                "model": model,
                "kind": refusal.kind,
                "named_limit": refusal.named_limit,
                "occupied": held,
                "size": size,
                "retry_after_seconds": refusal.retry_after_seconds,
                "reason": refusal.reason,
            },
        )
