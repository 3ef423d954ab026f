"""The state directory: uploaded files, batches and their results, kept so that a restarted sandbox knows them.

Metadata is one small JSON document a file or batch, replaced atomically. Contents are plain files that are only
ever streamed. What a batch means at its provider does not belong here.
"""

import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, Any, Literal

import orjson

from grabient_pipeline.sandbox.abilities import Provider

Fate = Literal["succeeded", "errored", "expired", "cancelled", "miscounted"]


class Phase(Enum):
    """Where a batch is on its way; each provider has its own words for it."""

    VALIDATING = "validating"
    RUNNING = "running"
    FINALIZING = "finalizing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """No further state follows."""
        return self in _ENDED


_ENDED = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.EXPIRED, Phase.CANCELLED})

# Of a batch's time: until here it is validated, from there on it is finalised.
_VALIDATED_AT = 0.1
_FINALIZING_AT = 0.8
_WIND_DOWN = 0.2


@dataclass(slots=True)
class StoredFile:
    """A file that a provider knows: an input that was uploaded or a result that was made."""

    provider: Provider
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


@dataclass(slots=True)
class Outcome:
    """What became of a batch's requests, and what was billed for them."""

    ready: float
    succeeded: int = 0
    errored: int = 0
    expired: int = 0
    cancelled: int = 0
    # In the error file, and counted as completed all the same.
    miscounted: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    output_file: str | None = None
    error_file: str | None = None

    def count(self, fate: Fate) -> None:
        """Count a request."""
        setattr(self, fate, getattr(self, fate) + 1)


@dataclass(slots=True)
class Batch:
    """One batch: what was asked, when, and what has become of it so far."""

    provider: Provider
    id: str
    created: float
    seconds: float
    request_count: int
    model: str
    input: str
    # How many batches of the same model came before: a request asked again later is answered anew.
    ordinal: int = 0
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    custom_id_prefix: str = ""
    checked: bool = False
    problems: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    # None: every request is worked on; else the share that is, before the batch expires or is cancelled.
    finished_share: float | None = None
    cancelled: float | None = None
    deleted: bool = False
    # False: whoever had it made was never told so in time.
    answered: bool = True
    # Armed faults that concern its whole life, with their parameters.
    faults: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    outcome: Outcome | None = None

    def phase(self, now: float) -> Phase:
        """The state by the clock; nothing has to run for a batch to advance."""
        if self.problems:
            return Phase.FAILED if now >= self.created + self.seconds * _VALIDATED_AT else Phase.VALIDATING
        if self.cancelled is not None:
            done = self.outcome is not None and now >= self.cancelled + self.wind_down
            return Phase.CANCELLED if done else Phase.CANCELLING
        elapsed = now - self.created
        if not self.checked or elapsed < self.seconds * _VALIDATED_AT:
            return Phase.VALIDATING
        if self.outcome is None or elapsed < self.seconds * _FINALIZING_AT:
            return Phase.RUNNING
        if elapsed < self.seconds:
            return Phase.FINALIZING
        return Phase.COMPLETED if self.finished_share is None else Phase.EXPIRED

    @property
    def wind_down(self) -> float:
        """Seconds from the wish to cancel to the end."""
        return min(1.0, self.seconds * _WIND_DOWN)

    @property
    def running_since(self) -> float:
        return self.created + self.seconds * _VALIDATED_AT

    @property
    def finalizing_since(self) -> float:
        return self.created + self.seconds * _FINALIZING_AT

    @property
    def ended_at(self) -> float:
        """When the last state was reached; only meaningful once it was."""
        if self.problems:
            return self.running_since
        return self.ends_at(self.outcome.ready if self.outcome else self.created)

    def ends_at(self, ready: float) -> float:
        """When the end is reached if the requests have been worked on by then."""
        if self.cancelled is not None:
            return max(ready, self.cancelled + self.wind_down)
        return max(ready, self.created + self.seconds)

    def finishes(self, index: int) -> bool:
        """Whether the request at this place is worked on before the batch ends early."""
        return self.finished_share is None or _in_share(index, self.finished_share)

    def fails(self, index: int) -> bool:
        """Whether the request at this place is made to fail."""
        fault = self.faults.get("fail_rows")
        return fault is not None and _in_share(index, fault["share"])


def _in_share(index: int, share: float) -> bool:
    """Whether this place belongs to the share, which is spread evenly."""
    return int((index + 1) * share) > int(index * share)


class Store:
    """Everything the sandbox remembers, in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.RLock()
        self._files: dict[tuple[Provider, str], StoredFile] = {}
        self._batches: dict[tuple[Provider, str], Batch] = {}
        self._ordinals: dict[tuple[Provider, str], int] = {}
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
            batches.append(Batch(**document, outcome=Outcome(**outcome) if outcome else None))
        for batch in sorted(batches, key=lambda batch: (batch.created, batch.id)):
            self._batches[batch.provider, batch.id] = batch
            key = batch.provider, batch.model
            self._ordinals[key] = max(self._ordinals.get(key, 0), batch.ordinal + 1)

    def forget(self) -> None:
        """Forget every batch, file and bill, as if nothing had ever been sent."""
        with self._lock:
            self._batches.clear()
            self._files.clear()
            self._ordinals.clear()
            # Contents stay for who is reading them.
            metadata = (self.directory / "files").glob("*.meta.json")
            for path in (*(self.directory / "batches").iterdir(), *metadata, *(self.directory / "billed").iterdir()):
                path.unlink()

    # Files.

    def content(self, provider: Provider, file_id: str) -> Path:
        """Where the bytes of a file are."""
        return self.directory / "files" / f"{provider}.{file_id}"

    def new_upload(self) -> Path:
        """A place for bytes that are still arriving."""
        return self.directory / "uploads" / secrets.token_hex(12)

    def add_file(self, stored: StoredFile, content: Path) -> StoredFile:
        """Take the finished content over and make the file known."""
        content.replace(self.content(stored.provider, stored.id))
        self.save_file(stored)
        return stored

    def save_file(self, stored: StoredFile) -> None:
        with self._lock:
            self._files[stored.provider, stored.id] = stored
            self._write(self.directory / "files" / f"{stored.provider}.{stored.id}.meta.json", asdict(stored))

    def forget_file(self, provider: Provider, file_id: str) -> None:
        """Remove a file with its content."""
        with self._lock:
            self._files.pop((provider, file_id), None)
            content = self.content(provider, file_id)
            content.unlink(missing_ok=True)
            content.with_name(content.name + ".meta.json").unlink(missing_ok=True)

    def file(self, provider: Provider, file_id: str) -> StoredFile | None:
        """A file that is there and not deleted."""
        stored = self._files.get((provider, file_id))
        return None if stored is None or stored.deleted or stored.created > now() else stored

    def input_of(self, batch: Batch) -> StoredFile | None:
        """The file that a batch was made from, also if it was deleted since."""
        return self._files.get((batch.provider, batch.input))

    def files(self, provider: Provider) -> list[StoredFile]:
        """Newest first."""
        moment = now()
        with self._lock:
            known = [
                file
                for file in self._files.values()
                if file.provider == provider and not file.deleted and file.created <= moment
            ]
        return sorted(known, key=lambda file: file.created, reverse=True)

    # Batches.

    def add_batch(self, batch: Batch) -> Batch:
        with self._lock:
            key = batch.provider, batch.model
            batch.ordinal = self._ordinals.get(key, 0)
            self._ordinals[key] = batch.ordinal + 1
            self._batches[batch.provider, batch.id] = batch
            self.save_batch(batch)
        return batch

    def save_batch(self, batch: Batch) -> None:
        with self._lock:
            if (batch.provider, batch.id) not in self._batches:
                return
            self._write(self.directory / "batches" / f"{batch.id}.json", asdict(batch))

    def settle(
        self,
        batch: Batch,
        finished_share: float | None,
        outcome: Outcome,
        made: list[tuple[StoredFile, Path]],
        billed: Path,
    ) -> None:
        """Record an outcome, unless the batch was meanwhile cancelled and has to be worked out anew."""
        with self._lock:
            known = self._batches.get((batch.provider, batch.id)) is batch
            if batch.finished_share != finished_share or not known:
                for path in (billed, *(path for _, path in made)):
                    path.unlink()
                return
            billed.replace(self.billed_path(batch))
            for stored, path in made:
                # Results come into being when the batch ends, however early they were worked out.
                stored.created = batch.ends_at(outcome.ready)
                self.add_file(stored, path)
            # Last of all: from now on the batch may be seen to have ended, and its files are asked for.
            batch.outcome = outcome
            self.save_batch(batch)

    def note_lost_answer(self, batch: Batch) -> None:
        """Note that whoever had the batch made was not told so in time."""
        batch.answered = False
        self.save_batch(batch)

    def end(self, batch: Batch, now: float) -> None:
        """Bring the end of a batch forward to now, with its results."""
        with self._lock:
            if batch.phase(now).ended:
                return
            # One that is being cancelled has no time left to wind down in.
            batch.seconds = max(0.0, now - batch.created) if batch.cancelled is None else 0.0
            outcome = batch.outcome
            for name in (outcome.output_file, outcome.error_file) if outcome is not None else ():
                stored = self._files.get((batch.provider, name)) if name is not None else None
                if stored is not None:
                    stored.created = batch.ended_at
                    self.save_file(stored)
            self.save_batch(batch)

    def cancel(self, batch: Batch, now: float, share: float | None = None) -> None:
        """Note the wish to cancel: what has been worked on by now stays finished, or the share that is given."""
        with self._lock:
            if batch.provider == "google":
                # It hands nothing out of a batch that was cancelled, and so bills nothing.
                share = 0.0
            elif share is None:
                share = min(1.0, (now - batch.created) / batch.seconds) if batch.seconds else 0.0
            batch.finished_share = share if batch.finished_share is None else min(share, batch.finished_share)
            batch.cancelled = now
            if batch.outcome is not None:
                for name in (batch.outcome.output_file, batch.outcome.error_file):
                    if name is not None:
                        self.forget_file(batch.provider, name)
            batch.outcome = None
            self.save_batch(batch)

    def batch(self, provider: Provider, batch_id: str) -> Batch | None:
        batch = self._batches.get((provider, batch_id))
        return None if batch is None or batch.deleted else batch

    def batches(self, provider: Provider | None = None) -> list[Batch]:
        """Newest first."""
        with self._lock:
            every = list(self._batches.values())
        return [batch for batch in reversed(every) if provider in (None, batch.provider)]

    def billed_path(self, batch: Batch) -> Path:
        """One line for each billed request: its custom id and the identity of what was asked, tab between."""
        return self.directory / "billed" / f"{batch.id}.tsv"

    @staticmethod
    def _write(path: Path, document: dict[str, Any]) -> None:
        # A reader, or the next start after a crash, finds the old document or the new one, never half of one.
        part = path.with_name(path.name + ".part")
        part.write_bytes(orjson.dumps(document))
        part.replace(path)


def lines_of(path: Path) -> Iterator[bytes]:
    """The non-blank lines of a file; split at newlines alone, as other separators may stand inside of JSON."""
    with path.open("rb", buffering=1024 * 1024) as file:
        for line in file:
            stripped = line.strip()
            if stripped:
                yield stripped


def copy_stream(source: IO[bytes], path: Path) -> int:
    """Copy in chunks; the number of bytes."""
    with path.open("wb") as target:
        shutil.copyfileobj(source, target, 1024 * 1024)
        return target.tell()


def common_prefix(prefix: str | None, custom_id: str) -> str:
    """What all custom ids so far begin with."""
    if prefix is None:
        return custom_id
    if custom_id.startswith(prefix):
        return prefix
    same = next((place for place, pair in enumerate(zip(prefix, custom_id, strict=False)) if pair[0] != pair[1]), None)
    return prefix[: len(custom_id) if same is None else same]


def now() -> float:
    return time.time()
