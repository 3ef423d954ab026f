"""What the providers' modules share: the store, the worker, ordinary calls, the armed faults, and list pages."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.responses import Response

from grabient_pipeline.sandbox.batch import Batch
from grabient_pipeline.sandbox.batches.direct_calls import DirectCallHandler
from grabient_pipeline.sandbox.batches.queues import Queues
from grabient_pipeline.sandbox.batches.worker import BatchWorker
from grabient_pipeline.sandbox.capabilities import BatchLimits
from grabient_pipeline.sandbox.faults.armed import ArmedFaults
from grabient_pipeline.sandbox.faults.corruption import UnknownRow
from grabient_pipeline.sandbox.faults.downloads import damaged_download
from grabient_pipeline.sandbox.responses import ResultsResponse
from grabient_pipeline.sandbox.store import Store, now

KEY_PREFIX = "sandbox-"
# Marks a cursor whose empty page was already sent: its next page is the one that the cursor alone would lead to.
_SHOWN = "~"
# How long to wait for the results of a batch that is to end now.
_PATIENCE_SECONDS = 30.0


@dataclass(slots=True)
class Context:
    """One sandbox, as its providers see it."""

    store: Store
    worker: BatchWorker
    direct_calls: DirectCallHandler
    faults: ArmedFaults
    queues: Queues
    # The batch limits of each provider.
    limits: Mapping[str, BatchLimits]
    batch_seconds: float
    # Tasks that continue after a response. asyncio keeps only weak references to tasks.
    background_tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def add_batch(self, batch: Batch, *, keeps_finished: bool = True) -> Batch:
        """Register a batch, with the armed faults that concern it, and queue it for the worker.

        Args:
            batch: The new batch.
            keeps_finished: Whether results finished before the batch expires are handed out and billed.
        """
        if batch.problems:
            # Rejected at its creation: it fails at once.
            return self.store.add_batch(batch)
        batch.seconds = self.batch_seconds
        for fault in self.faults.take_all("batch", batch.provider):
            if fault.name == "slow_batch":
                batch.seconds = float(fault["seconds"])
            elif fault.name == "expire":
                batch.finished_share = float(fault["share"]) if keeps_finished else 0.0
            elif fault.name == "stuck_finalizing":
                batch.stuck = True
            else:
                batch.faults[fault.name] = fault.parameters
        window = batch.details.get("window")
        if window and batch.seconds > window:
            # It would take longer than it may: what is not finished by then expires.
            done = window / batch.seconds if keeps_finished else 0.0
            batch.finished_share = done if batch.finished_share is None else min(done, batch.finished_share)
            batch.seconds = float(window)
        self.store.add_batch(batch)
        self.worker.begin(batch)
        return batch

    async def end_now(self, batch: Batch) -> None:
        """End a batch as soon as its results are written."""
        waited = 0.0
        while batch.outcome is None and not batch.problems and waited < _PATIENCE_SECONDS:
            await asyncio.sleep(0.005)
            waited += 0.005
        self.store.end(batch, now())

    def find_batch(self, provider: str, batch_id: str) -> Batch | None:
        """The batch for a status request, unless a fault hides it."""
        batch = self.store.batch(provider, batch_id)
        return None if batch is None or self.faults.take("batch_gone", provider) else batch

    def stated_time(self, provider: str, moment: float) -> float:
        """The Unix time that a provider states for this moment: every time in its documents is one of these."""
        return moment + self.faults.clock_skew(provider)

    # Lists.

    def list_batches(self, provider: str) -> list[Batch]:
        """The batches of a list, newest first."""
        batches = [batch for batch in self.store.batches(provider) if not batch.deleted]
        lag = self.faults.take("listing_lag", provider)
        if lag is None:
            return batches
        moment = now()
        return [batch for batch in batches if moment - batch.created >= lag["seconds"]]

    def page_size(self, provider: str, size: int) -> int:
        """The length of a page, given the size in the request."""
        short = self.faults.take("short_pages", provider)
        return size if short is None else min(size, short["size"])

    def empty_page(self, provider: str, cursor: str) -> str | None:
        """The cursor after an empty page, if a fault inserts one after this cursor."""
        if not cursor or cursor.endswith(_SHOWN) or self.faults.take("empty_page", provider) is None:
            return None
        return cursor + _SHOWN

    @staticmethod
    def place_of(cursor: str) -> str:
        """The id in a cursor."""
        return cursor.removesuffix(_SHOWN)

    # Results.

    def results(self, provider: str, path: Path, media_type: str, unknown_row: UnknownRow) -> Response:
        """A download of results, damaged by the armed faults."""
        return damaged_download(self.faults, provider, path, media_type, unknown_row)

    @staticmethod
    def plain(path: Path, media_type: str) -> Response:
        """A download that is never corrupted."""
        return ResultsResponse(path, media_type=media_type)
