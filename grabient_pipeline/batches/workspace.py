"""What every step on batches works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grabient_pipeline.providers.registry import Providers
from grabient_pipeline.settings import DEFAULT_POLL_SECONDS
from grabient_pipeline.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Workspace:
    """The database, the folder for requests going out and results coming in, and the providers that have a key.

    `unlimited`: the queues of accounts that a person has said nothing about have no limits, as on the sandbox.
    `poll_seconds`: the time between two polls, which is the shortest wait after a full queue.
    """

    warehouse: Warehouse
    spool: Path
    providers: Providers
    unlimited: bool = False
    poll_seconds: int = DEFAULT_POLL_SECONDS
