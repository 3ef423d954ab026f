"""Where batches are worked on: one thread that reads their requests and writes their results, row by row.

It works ahead: results are made as soon as a batch is there, and shown when its time has come. A batch that is
cancelled meanwhile is worked out once more, with only the share of requests that was finished by then.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from grabient_pipeline.sandbox.abilities import Provider
from grabient_pipeline.sandbox.answers import Answer, Model
from grabient_pipeline.sandbox.asked import Asked, Reader
from grabient_pipeline.sandbox.colours import Eye, hexes_in
from grabient_pipeline.sandbox.hostile import hostile
from grabient_pipeline.sandbox.store import Batch, Fate, Outcome, Store, StoredFile, lines_of, now

# Rows that are looked at together: palettes are measured a block at a time.
_BLOCK = 256
# How far a result may stray from its request's place.
_SHUFFLE_WINDOW = 64

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a model does not take a request: HTTP status and the provider's own words."""

    status: int
    type: str
    message: str
    param: str | None = None
    code: str | None = None


@dataclass(slots=True)
class Row:
    """One request of a batch, read; exactly one of `asked` and `refusal` is there."""

    custom_id: str
    model: str
    asked: Asked | None = None
    refusal: Refusal | None = None
    # What the dialect needs to remember until the answer is there.
    extra: Any = None
    colours: str = ""
    # Its place in the batch, from 0 on.
    place: int = 0


@dataclass(slots=True)
class Written:
    """A line of results."""

    line: bytes
    fate: Fate
    in_error_file: bool = False


_Checked = TypeVar("_Checked")


def checked(read: Callable[[], _Checked], status: int = 400) -> "_Checked | Refusal":
    """What was read from a request; a value of a type that nobody foresaw is the client's mistake."""
    try:
        return read()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
        return Refusal(status, "invalid_request_error", f"Invalid type or value in the request body: {problem}")


def bill_of(row: Row, answer: Answer) -> bytes:
    """What is noted of a billed request: its custom id, the model, and the identity of the question, tabs between."""
    custom_id = row.custom_id
    if not custom_id.isprintable():
        # A tab or the end of a line in it would be read as ours.
        custom_id = "".join(letter if letter.isprintable() else " " for letter in custom_id)
    return f"{custom_id}\t{row.model}\t{answer.identity}".encode()


class Dialect(Protocol):
    """How one provider's batches read and write."""

    def problems(self, batch: Batch, path: Path) -> list[dict[str, Any]]:
        """Why the whole batch is refused; empty if it is not."""
        ...

    def read(self, batch: Batch, line: bytes) -> Row: ...

    def answered(self, batch: Batch, row: Row, answer: Answer) -> Written: ...

    def refused(self, batch: Batch, row: Row) -> Written: ...

    def failure(self, status: int, message: str) -> Refusal:
        """What a failed request is told; `status` is the one of HTTP."""
        ...

    def unfinished(self, batch: Batch, row: Row) -> Written: ...

    def result_names(self, batch: Batch) -> tuple[str, str | None]:
        """Ids of the file of results and, where errors go apart, of the file of errors."""
        ...


class Workshop:
    """The thread and its queue."""

    def __init__(self, store: Store, seed: int, dialects: dict[Provider, Dialect]) -> None:
        self._store = store
        self._seed = seed
        self._dialects = dialects
        self._eye = Eye()
        self._reader = Reader()
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sandbox-workshop", daemon=True)

    def start(self) -> None:
        """Begin, first of all with what a stop left undone."""
        for batch in reversed(self._store.batches()):
            if batch.outcome is None and not batch.problems:
                self._queue.put(batch)
        self._thread.start()

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join(timeout=2)

    def begin(self, batch: Batch) -> None:
        self._queue.put(batch)

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            try:
                self._process(batch)
            except Exception as error:
                # A mistake in the sandbox itself has to be seen, and must not hang the other batches.
                _LOG.exception("batch %s could not be worked on", batch.id)
                batch.problems = [{"code": "server_error", "message": f"{type(error).__name__}: {error}"}]
                self._store.save_batch(batch)

    def _process(self, batch: Batch) -> None:
        dialect = self._dialects[batch.provider]
        source = self._store.content(batch.provider, batch.input)
        if not batch.checked:
            batch.problems = dialect.problems(batch, source)
            batch.checked = True
            self._store.save_batch(batch)
        if not batch.problems:
            self._produce(batch, dialect, source)

    def _produce(self, batch: Batch, dialect: Dialect, source: Path) -> None:
        share = batch.finished_share
        outcome = Outcome(ready=0.0)
        order = random.Random(f"{self._seed} {batch.model} {batch.ordinal}")
        results, errors = _Shuffled(self._store.new_upload(), order), _Shuffled(self._store.new_upload(), order)
        billed = self._store.new_upload()
        with results, errors, billed.open("wb", buffering=1 << 18) as bills:
            for written, bill in self._rows(batch, dialect, source, outcome):
                (errors if written.in_error_file else results).write(written.line)
                if bill:
                    bills.write(bill)
                if batch.finished_share != share:
                    break
        result_name, error_name = dialect.result_names(batch)
        outcome.ready = now()
        if results.count or error_name is None:
            outcome.output_file = result_name
        if errors.count:
            outcome.error_file = error_name
        made: list[tuple[StoredFile, Path]] = []
        for shuffled, name, kind in ((results, outcome.output_file, "output"), (errors, outcome.error_file, "error")):
            if name is None:
                shuffled.path.unlink()
                continue
            size = shuffled.path.stat().st_size
            file_name = f"{batch.id}_{kind}.jsonl"
            made.append((StoredFile(batch.provider, name, file_name, "batch_output", size, 0.0), shuffled.path))
        self._store.settle(batch, share, outcome, made, billed)

    def _rows(self, batch: Batch, dialect: Dialect, source: Path, outcome: Outcome) -> Iterator[tuple[Written, bytes]]:
        models: dict[str, Model] = {}
        numbered = enumerate(lines_of(source))
        while block := list(islice(numbered, _BLOCK)):
            rows: list[Row] = []
            for place, line in block:
                row = dialect.read(batch, line)
                row.place = place
                if row.asked is not None:
                    row.colours = hexes_in(row.asked.user)
                rows.append(row)
            self._eye.look(row.colours for row in rows if row.asked is not None)
            for row in rows:
                yield self._row(batch, dialect, models, row, outcome)
            # Lets the server's own thread have its turn.
            time.sleep(0)

    def _row(
        self, batch: Batch, dialect: Dialect, models: dict[str, Model], row: Row, outcome: Outcome
    ) -> tuple[Written, bytes]:
        bill = b""
        if not batch.finishes(row.place):
            written = dialect.unfinished(batch, row)
        elif row.asked is None:
            written = dialect.refused(batch, row)
        elif batch.fails(row.place):
            fault = batch.faults["fail_rows"]
            row.refusal = dialect.failure(fault["status"], fault["message"])
            written = dialect.refused(batch, row)
        else:
            model = models.get(row.model)
            if model is None:
                model = models[row.model] = Model(row.model, self._seed, batch.ordinal, self._eye, self._reader)
            answer = model.answer(row.asked, row.colours)
            if "hostile_words" in batch.faults:
                answer = hostile(answer)
            written = dialect.answered(batch, row, answer)
            if written.fate == "succeeded":
                outcome.input_tokens += answer.input_tokens
                outcome.output_tokens += answer.output_tokens
                outcome.reasoning_tokens += answer.reasoning_tokens
                bill = bill_of(row, answer) + b"\n"
        outcome.count(written.fate)
        return written, bill


class _Shuffled:
    """A file of lines, a bit out of order: no provider promises to keep it."""

    def __init__(self, path: Path, order: random.Random) -> None:
        self.path = path
        self.count = 0
        self._order = order
        self._window: list[bytes] = []

    def __enter__(self) -> "_Shuffled":
        self._file = self.path.open("wb", buffering=1 << 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._order.shuffle(self._window)
        self._file.writelines(self._window)
        self._window.clear()
        self._file.close()

    def write(self, line: bytes) -> None:
        self.count += 1
        window = self._window
        if len(window) < _SHUFFLE_WINDOW:
            window.append(line)
            return
        place = int(self._order.random() * _SHUFFLE_WINDOW)
        self._file.write(window[place])
        window[place] = line
