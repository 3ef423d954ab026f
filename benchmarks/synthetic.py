"""Palettes and results for benchmarks; random but seeded, so that every run measures the same work.

The results are the sandbox's, in each provider's format, fetched once over HTTP. Large batches repeat them with other
custom ids.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from grabient_pipeline.batches import ledger
from grabient_pipeline.batches.backfill import make_order
from grabient_pipeline.batches.collect import ended_batches
from grabient_pipeline.batches.order_ledger import open_parts
from grabient_pipeline.batches.orders import BackfillOrder, BackfillRequest
from grabient_pipeline.batches.reservation import Demand, Destination, Piece, reserve_piece
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.imports.files import PaletteRow
from grabient_pipeline.imports.palettes import ImportReport, import_rows
from grabient_pipeline.palette.seed import Seed, encode_seed
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.base import BatchProvider, BatchState, Delivery, Route
from grabient_pipeline.providers.catalogue import Model, load_catalogue
from grabient_pipeline.providers.prices import batch_price
from grabient_pipeline.providers.registry import open_provider, request_format
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.sandbox.server import environment
from grabient_pipeline.settings import Settings

ANALYSES = 8
# One model of each provider, in the order of the catalogue. Groq's gives the messiest responses.
MODELS = {
    "groq": "groq/llama-3.3-70b-versatile",
    "google": "google/gemini-2.5-flash-lite",
    "openai": "openai/gpt-4o-mini",
    "anthropic": "anthropic/claude-3-5-haiku-20241022",
}
NO_CAP_USD = 1e9
# Nothing listens on this port; benchmarks with these variables make no calls.
NOWHERE = environment(9)

_CUSTOM_ID = re.compile(rb'"(?:custom_id|key)":"([a-z0-9]{16}_[a-z0-9_]+)"')


def random_seeds(count: int) -> list[str]:
    """Return the canonical seeds of random palettes."""
    coefficients = np.random.default_rng(20).uniform(0, 1, (count, 12)).round(3)
    return [encode_seed(Seed(tuple(row))) for row in coefficients.tolist()]


@contextmanager
def open_pipeline(palettes: int = 0, variables: Mapping[str, str] = NOWHERE) -> Generator[Pipeline]:
    """Open a pipeline with this number of palettes on a temporary data directory."""
    with tempfile.TemporaryDirectory(prefix="grabient-benchmark-") as folder:
        pipeline = Pipeline(Settings(Path(folder), NO_CAP_USD, sandbox=True), variables)
        rows = (PaletteRow(number, seed) for number, seed in enumerate(random_seeds(palettes)))
        import_rows(pipeline.warehouse, rows, "benchmark", ImportReport())
        yield pipeline


def enabled_models() -> list[Model]:
    """Return the models of the default backfill, with prices loaded, which takes a quarter of a second once."""
    models = list(load_catalogue().mission)
    for model in models:
        batch_price(model)
    return models


def plan_and_reserve(pipeline: Pipeline, models: list[Model]) -> Iterator[Piece]:
    """Order all missing requests of these models, and yield each piece once it is reserved; nothing is sent."""
    order = BackfillOrder(tuple(models), ANALYSES, NO_CAP_USD)
    make_order(pipeline.workspace, order, TAGGING)
    with pipeline.warehouse.connect() as connection:
        parts = open_parts(connection)
    for part in parts:
        destination = Destination(part.route, request_format(part.provider), "127.0.0.1:9")
        demand = Demand(part, load_catalogue().model(part.name), TAGGING, destination)
        while isinstance(piece := reserve_piece(pipeline.workspace, demand), Piece):
            yield piece


def open_offline_provider(key: str, files: Mapping[str, Path]) -> BatchProvider:
    """Open the real provider, with downloads replaced by existing files."""
    provider = open_provider(key, NOWHERE)

    def download(batch_id: str, folder: Path) -> Delivery:
        del folder
        return Delivery(BatchState("completed", "completed"), [files[batch_id]])

    provider.download = download
    return provider


class OfflineProviders:
    """Opens the providers that it was given, by key."""

    def __init__(self, providers: Mapping[str, BatchProvider]) -> None:
        self._providers = providers

    def open(self, route: Route) -> BatchProvider:
        """Return the provider of a route."""
        return self._providers[route.provider]


def mark_ended(pipeline: Pipeline, submission: str) -> str:
    """Mark a reserved batch as submitted and completed, and return its id at the provider."""
    batch_id = f"batch-{submission}"
    ledger.record_submitted(pipeline.warehouse, submission, batch_id)
    with pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE tag_batches SET status = 'completed' WHERE submission = ?", [submission])
    return batch_id


def sample_results(palettes: int, providers: tuple[str, ...] = tuple(MODELS)) -> dict[str, list[bytes]]:
    """Return result lines by provider, in its format: the sandbox's for `palettes` x 8 requests."""
    with (
        SandboxServer(where="process", batch_seconds=0.1) as server,
        open_pipeline(palettes, server.environment()) as pipeline,
    ):
        pipeline.backfill(BackfillRequest(models=[MODELS[key] for key in providers], analysis_count=ANALYSES))
        while pipeline.poll().pending:
            time.sleep(0.1)
        lines: dict[str, list[bytes]] = {key: [] for key in providers}
        for batch in ended_batches(pipeline.workspace):
            folder = pipeline.settings.spool_dir / batch.submission
            folder.mkdir()
            for path in pipeline.workspace.providers.open(batch.route).download(batch.batch_id, folder).files:
                lines[batch.provider] += path.read_bytes().splitlines()
        return lines


class Results:
    """Writes result files of any size from sampled lines."""

    def __init__(self, lines: list[bytes]) -> None:
        """Split each sampled line around its custom id."""
        self._lines: list[tuple[bytes, bytes]] = []
        for line in lines:
            match = _CUSTOM_ID.search(line)
            assert match, "a result line without a custom id"
            self._lines.append((line[: match.start(1)], line[match.end(1) :]))

    def write(self, path: Path, custom_ids: Iterator[str]) -> None:
        """Write one line for each custom id."""
        count = len(self._lines)
        with path.open("wb", buffering=1 << 20) as file:
            for number, custom_id in enumerate(custom_ids):
                before, after = self._lines[number % count]
                file.write(before + custom_id.encode() + after + b"\n")
