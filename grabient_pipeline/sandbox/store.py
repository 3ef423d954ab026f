"""The state directory: uploaded files, batches and results, which survive a restart of the sandbox.

The metadata of a file or batch is a small JSON document, replaced atomically. Contents are plain files and are only
streamed. Nothing here depends on a provider.
"""

import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from grabient_pipeline.sandbox.batch import Batch, BatchOutcome


@dataclass(slots=True)
class StoredFile:
    """A file at a provider: an uploaded input or a result."""

    provider: str
    id: str
    name: str
    purpose: str
    size: int
    created: float
    mime_type: str = "application/jsonl"
    display_name: str = ""
    sha256: str = ""
    expires: float | None = None
    deleted: bool = False


class Store:
    """All persistent state, in one directory. Methods may be called from several threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.RLock()
        self._files: dict[tuple[str, str], StoredFile] = {}
        self._batches: dict[tuple[str, str], Batch] = {}
        self._ordinals: dict[tuple[str, str], int] = {}
        for part in ("files", "batches", "billed", "uploads"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        self._load()

    def _load(self) -> None:
        for leftover in (self.directory / "uploads").iterdir():
            leftover.unlink()
        for path in sorted((self.directory / "files").glob("*.meta.json")):
            stored = StoredFile(**orjson.loads(path.read_bytes()))
            self._files[stored.provider, stored.id] = stored
        batches: list[Batch] = []
        for path in sorted((self.directory / "batches").glob("*.json")):
            document = orjson.loads(path.read_bytes())
            outcome = document.pop("outcome")
            batches.append(Batch(**document, outcome=BatchOutcome(**outcome) if outcome else None))
        for batch in sorted(batches, key=lambda batch: (batch.created, batch.id)):
            self._batches[batch.provider, batch.id] = batch
            key = batch.provider, batch.model
            self._ordinals[key] = max(self._ordinals.get(key, 0), batch.ordinal + 1)

    def forget(self) -> None:
        """Delete every batch, file and bill."""
        with self._lock:
            self._batches.clear()
            self._files.clear()
            self._ordinals.clear()
            # Contents stay: a client may be reading them.
            metadata = (self.directory / "files").glob("*.meta.json")
            for path in (*(self.directory / "batches").iterdir(), *metadata, *(self.directory / "billed").iterdir()):
                path.unlink()

    # Files.

    def content(self, provider: str, file_id: str) -> Path:
        """The path of a file's content."""
        return self.directory / "files" / f"{provider}.{file_id}"

    def new_upload(self) -> Path:
        """A new path for content that is still being written."""
        return self.directory / "uploads" / secrets.token_hex(12)

    def add_file(self, stored: StoredFile, content: Path) -> StoredFile:
        """Move finished content into the store and register the file."""
        content.replace(self.content(stored.provider, stored.id))
        self.save_file(stored)
        return stored

    def save_file(self, stored: StoredFile) -> None:
        """Write the metadata of a file."""
        with self._lock:
            self._files[stored.provider, stored.id] = stored
            self._write(self.directory / "files" / f"{stored.provider}.{stored.id}.meta.json", asdict(stored))

    def forget_file(self, provider: str, file_id: str) -> None:
        """Delete a file and its content."""
        with self._lock:
            self._files.pop((provider, file_id), None)
            content = self.content(provider, file_id)
            content.unlink(missing_ok=True)
            content.with_name(content.name + ".meta.json").unlink(missing_ok=True)

    def file(self, provider: str, file_id: str) -> StoredFile | None:
        """A file that exists and is not deleted."""
        stored = self._files.get((provider, file_id))
        return None if stored is None or stored.deleted or stored.created > now() else stored

    def input_of(self, batch: Batch) -> StoredFile | None:
        """The input file of a batch, even if it was deleted later."""
        return self._files.get((batch.provider, batch.input))

    def files(self, provider: str, *, deleted: bool = False) -> list[StoredFile]:
        """A provider's files, newest first; with `deleted` also those that were deleted."""
        moment = now()
        with self._lock:
            known = [
                file
                for file in self._files.values()
                if file.provider == provider and (deleted or not file.deleted) and file.created <= moment
            ]
        return sorted(known, key=lambda file: file.created, reverse=True)

    # Batches.

    def add_batch(self, batch: Batch) -> Batch:
        """Register a batch and number it among those of its model."""
        with self._lock:
            key = batch.provider, batch.model
            batch.ordinal = self._ordinals.get(key, 0)
            self._ordinals[key] = batch.ordinal + 1
            self._batches[batch.provider, batch.id] = batch
            self.save_batch(batch)
        return batch

    def save_batch(self, batch: Batch) -> None:
        """Write a batch, unless it was forgotten meanwhile."""
        with self._lock:
            if (batch.provider, batch.id) not in self._batches:
                return
            self._write(self.directory / "batches" / f"{batch.id}.json", asdict(batch))

    def settle(
        self,
        batch: Batch,
        finished_share: float | None,
        outcome: BatchOutcome,
        made: list[tuple[StoredFile, Path]],
        billed: Path,
    ) -> None:
        """Record an outcome, unless the batch was cancelled meanwhile and has to be processed again."""
        with self._lock:
            known = self._batches.get((batch.provider, batch.id)) is batch
            if batch.finished_share != finished_share or not known:
                for path in (billed, *(path for _, path in made)):
                    path.unlink()
                return
            billed.replace(self.billed_path(batch))
            for stored, path in made:
                # Results exist from the end of the batch on, however early they were written.
                stored.created = batch.ends_at(outcome.ready)
                self.add_file(stored, path)
            # This comes last: from now on clients may see the end of the batch and request its files.
            batch.outcome = outcome
            self.save_batch(batch)

    def note_lost_answer(self, batch: Batch) -> None:
        """Record that the client did not receive the response to the batch's creation in time."""
        batch.answered = False
        self.save_batch(batch)

    def end(self, batch: Batch, now: float) -> None:
        """End a batch now, with its results."""
        with self._lock:
            if batch.phase(now).ended:
                return
            # A batch that is being cancelled ends without winding down.
            batch.seconds = max(0.0, now - batch.created) if batch.cancelled is None else 0.0
            outcome = batch.outcome
            if batch.stuck and outcome is not None:
                # Otherwise it would have ended when its results were written.
                outcome.ready = now
            batch.stuck = False
            for name in (outcome.output_file, outcome.error_file) if outcome is not None else ():
                stored = self._files.get((batch.provider, name)) if name is not None else None
                if stored is not None:
                    stored.created = batch.ended_at
                    self.save_file(stored)
            self.save_batch(batch)

    def cancel(self, batch: Batch, now: float, share: float | None = None, *, stuck: bool = False) -> None:
        """Cancel a batch; the given share of its requests, or the share processed by now, stays finished.

        Args:
            batch: A batch that has not ended.
            now: The time of the cancellation.
            share: The share that stays finished, from 0 to 1.
            stuck: Whether the batch then stays in cancelling.
        """
        with self._lock:
            if share is None:
                share = min(1.0, (now - batch.created) / batch.seconds) if batch.seconds else 0.0
            batch.finished_share = share if batch.finished_share is None else min(share, batch.finished_share)
            batch.cancelled = now
            batch.stuck = stuck
            if batch.outcome is not None:
                for name in (batch.outcome.output_file, batch.outcome.error_file):
                    if name is not None:
                        self.forget_file(batch.provider, name)
            batch.outcome = None
            self.save_batch(batch)

    def batch(self, provider: str, batch_id: str) -> Batch | None:
        """A batch that exists and is not deleted."""
        batch = self._batches.get((provider, batch_id))
        return None if batch is None or batch.deleted else batch

    def batches(self, provider: str | None = None) -> list[Batch]:
        """The batches of one provider or all, newest first."""
        with self._lock:
            every = list(self._batches.values())
        return [batch for batch in reversed(every) if provider in (None, batch.provider)]

    def billed_path(self, batch: Batch) -> Path:
        """The file with the billed requests of a batch, one line each (see `billing.billing_line`)."""
        return self.directory / "billed" / f"{batch.id}.tsv"

    @staticmethod
    def _write(path: Path, document: dict[str, Any]) -> None:
        # A reader, or a restart after a crash, finds the old document or the new one, never a partial one.
        part = path.with_name(path.name + ".part")
        part.write_bytes(orjson.dumps(document))
        part.replace(path)


def lines_of(path: Path) -> Iterator[bytes]:
    """The non-blank lines of a file, split at newlines only: JSON strings may contain other separators."""
    with path.open("rb", buffering=1024 * 1024) as file:
        for line in file:
            stripped = line.strip()
            if stripped:
                yield stripped


def copy_stream(source: IO[bytes], path: Path) -> int:
    """Copy a stream to a file in chunks; returns the number of bytes."""
    with path.open("wb") as target:
        shutil.copyfileobj(source, target, 1024 * 1024)
        return target.tell()


def common_prefix(prefix: str | None, custom_id: str) -> str:
    """The common prefix of the custom ids so far (None before the first) and this one."""
    if prefix is None:
        return custom_id
    if custom_id.startswith(prefix):
        return prefix
    same = next((place for place, pair in enumerate(zip(prefix, custom_id, strict=False)) if pair[0] != pair[1]), None)
    return prefix[: len(custom_id) if same is None else same]


def now() -> float:
    """The current time in Unix seconds."""
    return time.time()
