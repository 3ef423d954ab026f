"""Palettes and answers for benchmarks: seeded, so that every run measures the same work.

The answers are the sandbox's own, as each provider would send them, fetched once over HTTP; a large batch is made of
them by putting other custom ids in.
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
from grabient_pipeline.batches.collect import ended_batches
from grabient_pipeline.batches.orders import BackfillOrder, BackfillRequest
from grabient_pipeline.batches.request_file import json_text
from grabient_pipeline.batches.reservation import ProviderModels, Reservation, missing_subjects, reserve
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.imports.files import PaletteRow
from grabient_pipeline.imports.palettes import ImportReport, import_rows
from grabient_pipeline.palette.seed import Seed, encode_seed
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.base import BatchProvider, Route
from grabient_pipeline.providers.catalogue import Model, load_catalogue
from grabient_pipeline.providers.prices import batch_price
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.sandbox.server import environment
from grabient_pipeline.settings import Settings

ANALYSES = 8
# One of each provider, in the order of the catalogue; Groq's is the one with the dirtiest answers.
MODELS = {
    "groq": "groq/llama-3.3-70b-versatile",
    "google": "google/gemini-2.5-flash-lite",
    "openai": "openai/gpt-4o-mini",
    "anthropic": "anthropic/claude-3-5-haiku-20241022",
}
NO_CAP_USD = 1e9
# Nobody listens there, and no benchmark that uses it calls anybody.
NOWHERE = environment(9)

_CUSTOM_ID = re.compile(rb'"(?:custom_id|key)":"([a-z0-9]{16}_[0-9]{6})"')


def seeds(count: int) -> list[str]:
    """Canonical seeds of random palettes."""
    coefficients = np.random.default_rng(20).uniform(0, 1, (count, 12)).round(3)
    return [encode_seed(Seed(tuple(row))) for row in coefficients.tolist()]


@contextmanager
def pipeline(palettes: int = 0, variables: Mapping[str, str] = NOWHERE) -> Generator[Pipeline]:
    """A pipeline on a data directory that is gone afterwards, with so many palettes."""
    with tempfile.TemporaryDirectory(prefix="grabient-benchmark-") as folder:
        opened = Pipeline(Settings(Path(folder), NO_CAP_USD, sandbox=True), variables)
        rows = (PaletteRow(number, seed) for number, seed in enumerate(seeds(palettes)))
        import_rows(opened.warehouse, rows, "benchmark", ImportReport())
        yield opened


def enabled_models() -> list[Model]:
    """The models that a backfill asks by default; their prices are loaded, which costs a quarter of a second once."""
    models = [model for model in load_catalogue().models if model.enabled]
    for model in models:
        batch_price(model)
    return models


def asked(models: list[Model]) -> list[ProviderModels]:
    """The models with their providers, opened and never called."""
    by_provider: dict[str, list[Model]] = {}
    for model in models:
        by_provider.setdefault(model.provider, []).append(model)
    return [
        ProviderModels(Route(key), open_provider(key, NOWHERE), "127.0.0.1:9", tuple(those))
        for key, those in by_provider.items()
    ]


def planned(opened: Pipeline, entries: list[ProviderModels]) -> tuple[dict[str, bytes], list[Reservation]]:
    """The texts of all palettes and the reservations of all that is missing: a backfill up to its files."""
    models = [model for entry in entries for model in entry.models]
    order = BackfillOrder(tuple(models), ANALYSES, NO_CAP_USD)
    subjects = missing_subjects(opened.warehouse, TAGGING, models, order)
    texts = {seed: json_text(text) for seed, text in TAGGING.texts(subjects).items()}
    return texts, reserve(opened.warehouse, TAGGING, entries, subjects, texts, order)


def provider_of_files(key: str, files: Mapping[str, Path]) -> BatchProvider:
    """The real provider, except that a download is the file that is there already."""
    provider = open_provider(key, NOWHERE)

    def download(batch_id: str, folder: Path) -> list[Path]:
        del folder
        return [files[batch_id]]

    provider.download = download
    return provider


class Prepared:
    """Providers that are opened already, by key."""

    def __init__(self, providers: Mapping[str, BatchProvider]) -> None:
        self._providers = providers

    def open(self, route: Route) -> BatchProvider:
        """The provider of a route."""
        return self._providers[route.provider]


def end(opened: Pipeline, submission: str) -> str:
    """Let a reserved batch have been submitted and have ended; its id at the provider."""
    batch_id = f"batch-{submission}"
    ledger.record_submitted(opened.warehouse, submission, batch_id)
    with opened.warehouse.connect() as connection:
        connection.execute("UPDATE tag_batches SET status = 'completed' WHERE submission = ?", [submission])
    return batch_id


def sampled_answers(palettes: int, providers: tuple[str, ...] = tuple(MODELS)) -> dict[str, list[bytes]]:
    """Lines of results by provider: the sandbox's answers to `palettes` x 8 requests each, in the provider's shape."""
    with (
        SandboxServer(where="process", batch_seconds=0.1) as server,
        pipeline(palettes, server.environment()) as opened,
    ):
        opened.backfill(BackfillRequest(models=[MODELS[key] for key in providers], analysis_count=ANALYSES))
        while opened.poll().pending:
            time.sleep(0.1)
        lines: dict[str, list[bytes]] = {key: [] for key in providers}
        for batch in ended_batches(opened.workspace):
            folder = opened.settings.spool_dir / batch.submission
            folder.mkdir()
            for path in opened.workspace.providers.open(batch.route).download(batch.batch_id, folder):
                lines[batch.provider] += path.read_bytes().splitlines()
        return lines


class Results:
    """Files of results as large as wanted, made of sampled lines."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines: list[tuple[bytes, bytes]] = []
        for line in lines:
            found = _CUSTOM_ID.search(line)
            assert found, "a line of results without a custom id"
            self._lines.append((line[: found.start(1)], line[found.end(1) :]))

    def write(self, path: Path, custom_ids: Iterator[str]) -> None:
        """One line for each custom id."""
        count = len(self._lines)
        with path.open("wb", buffering=1 << 20) as file:
            for number, custom_id in enumerate(custom_ids):
                before, after = self._lines[number % count]
                file.write(before + custom_id.encode() + after + b"\n")
