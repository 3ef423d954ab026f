"""What every step on batches works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grabient_pipeline.providers.registry import Providers
from grabient_pipeline.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Workspace:
    """The database, the folder for requests going out and results coming in, and the providers that have a key."""

    warehouse: Warehouse
    spool: Path
    providers: Providers
