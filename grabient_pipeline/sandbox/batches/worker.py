"""The batch worker: one thread that reads the requests of batches and writes their results, row by row.

It works ahead: it writes results as soon as a batch exists, and they become visible when the batch ends. A batch that
is cancelled meanwhile is processed again, with only the share of requests that was finished by then.
"""

import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from grabient_pipeline.sandbox.batch import Batch, BatchOutcome
from grabient_pipeline.sandbox.batches.billing import billing_line
from grabient_pipeline.sandbox.batches.dialect import Dialect, ResultLine, Row
from grabient_pipeline.sandbox.capabilities import BatchLimits
from grabient_pipeline.sandbox.faults.adversarial import make_adversarial
from grabient_pipeline.sandbox.model.answers import Model, ModelFactory
from grabient_pipeline.sandbox.model.colours import hexes_in
from grabient_pipeline.sandbox.store import Store, StoredFile, lines_of, now

# Rows parsed together, because palettes are measured many at a time.
_BLOCK = 256
# How far a result may move from the position of its request.
_SHUFFLE_WINDOW = 64

_LOG = logging.getLogger(__name__)


class BatchWorker:
    """The worker thread and its queue.

    Args:
        store: Where batches and results are kept.
        seed: The seed of the order of results.
        models: Makes the models that answer; used by this worker alone.
        dialects: The batch format of each provider.
        limits: The batch limits of each provider.
    """

    def __init__(
        self,
        store: Store,
        seed: int,
        models: ModelFactory,
        dialects: Mapping[str, Dialect],
        limits: Mapping[str, BatchLimits],
    ) -> None:
        self._store = store
        self._seed = seed
        self._models = models
        self._dialects = dialects
        self._limits = limits
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sandbox-batch-worker", daemon=True)

    def start(self) -> None:
        """Start, with the batches left unfinished when the sandbox last stopped."""
        for batch in reversed(self._store.batches()):
            if batch.outcome is None and not batch.problems:
                self._queue.put(batch)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current batch; waits for at most two seconds."""
        self._queue.put(None)
        self._thread.join(timeout=2)

    def begin(self, batch: Batch) -> None:
        """Queue a batch that is new or was cancelled."""
        self._queue.put(batch)

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            try:
                self._process(batch)
            except Exception as error:
                # A bug of the sandbox has to be visible, and must not block the other batches.
                _LOG.exception("batch %s could not be processed", batch.id)
                batch.problems = [{"code": "server_error", "message": f"{type(error).__name__}: {error}"}]
                self._store.save_batch(batch)

    def _process(self, batch: Batch) -> None:
        dialect = self._dialects[batch.provider]
        source = self._store.content(batch.provider, batch.input)
        if not batch.checked:
            batch.problems = dialect.find_problems(batch, source, self._limits[batch.provider])
            batch.checked = True
            self._store.save_batch(batch)
        if not batch.problems:
            self._write_results(batch, dialect, source)

    def _write_results(self, batch: Batch, dialect: Dialect, source: Path) -> None:
        share = batch.finished_share
        outcome = BatchOutcome(ready=0.0)
        order = random.Random(f"{self._seed} {batch.model} {batch.ordinal}")
        results, errors = _ShuffledFile(self._store.new_upload(), order), _ShuffledFile(self._store.new_upload(), order)
        billed = self._store.new_upload()
        with results, errors, billed.open("wb", buffering=1 << 18) as bills:
            for result, bill in self._results(batch, dialect, source, outcome):
                (errors if result.in_error_file else results).write(result.line)
                if bill:
                    bills.write(bill)
                if batch.finished_share != share:
                    break
        result_id, error_id = dialect.result_file_ids(batch)
        outcome.ready = now()
        if results.count or error_id is None:
            outcome.output_file = result_id
        if errors.count:
            outcome.error_file = error_id
        made: list[tuple[StoredFile, Path]] = []
        for file, file_id, kind in ((results, outcome.output_file, "output"), (errors, outcome.error_file, "error")):
            if file_id is None:
                file.path.unlink()
                continue
            name, size = f"{batch.id}_{kind}.jsonl", file.path.stat().st_size
            made.append((StoredFile(batch.provider, file_id, name, "batch_output", size, 0.0), file.path))
        self._store.settle(batch, share, outcome, made, billed)

    def _results(
        self, batch: Batch, dialect: Dialect, source: Path, outcome: BatchOutcome
    ) -> Iterator[tuple[ResultLine, bytes]]:
        """Each result with the line of its bill, which is empty if nothing was billed."""
        models: dict[str, Model] = {}
        numbered = enumerate(lines_of(source))
        while block := list(islice(numbered, _BLOCK)):
            rows: list[Row] = []
            for place, line in block:
                row = dialect.read_row(batch, line)
                row.place = place
                if row.prompt is not None:
                    row.colours = hexes_in(row.prompt.user)
                rows.append(row)
            self._models.analyser.analyse(row.colours for row in rows if row.prompt is not None)
            for row in rows:
                yield self._result(batch, dialect, models, row, outcome)
            # Gives the server's own thread a turn.
            time.sleep(0)

    def _result(
        self, batch: Batch, dialect: Dialect, models: dict[str, Model], row: Row, outcome: BatchOutcome
    ) -> tuple[ResultLine, bytes]:
        bill = b""
        if not batch.finishes(row.place):
            result = dialect.format_unfinished(batch, row)
        elif row.prompt is None:
            result = dialect.format_rejection(batch, row)
        elif batch.affects("fail_rows", row.place):
            fault = batch.faults["fail_rows"]
            row.rejection = dialect.rejection_for(fault["status"], fault["message"])
            result = dialect.format_rejection(batch, row)
        else:
            model = models.get(row.model)
            if model is None:
                model = models[row.model] = self._models.create(row.model, batch.ordinal)
            answer = model.answer(row.prompt, row.colours)
            if "hostile_words" in batch.faults:
                answer = make_adversarial(answer)
            result = dialect.format_answer(batch, row, answer)
            if result.outcome == "succeeded" or result.billed:
                outcome.input_tokens += answer.input_tokens
                outcome.output_tokens += answer.output_tokens
                outcome.reasoning_tokens += answer.reasoning_tokens
                outcome.cached_tokens += answer.cached_tokens
                outcome.cache_write_tokens += answer.cache_write_tokens
                outcome.billed_errors += result.billed
                bill = billing_line(row, answer) + b"\n"
        outcome.count(result.outcome)
        return result, bill


class _ShuffledFile:
    """A file whose lines are slightly out of order, because no provider promises to keep the order of requests."""

    def __init__(self, path: Path, order: random.Random) -> None:
        self.path = path
        self.count = 0
        self._order = order
        self._window: list[bytes] = []

    def __enter__(self) -> "_ShuffledFile":
        self._file = self.path.open("wb", buffering=1 << 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._order.shuffle(self._window)
        self._file.writelines(self._window)
        self._window.clear()
        self._file.close()

    def write(self, line: bytes) -> None:
        """Add a line."""
        self.count += 1
        window = self._window
        if len(window) < _SHUFFLE_WINDOW:
            window.append(line)
            return
        place = int(self._order.random() * _SHUFFLE_WINDOW)
        self._file.write(window[place])
        window[place] = line
