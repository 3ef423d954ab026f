"""Ordinary calls where there is no batch access: the same requests, a bounded number at a time, at the full price.

It is a batch API like the others, except that the batch is worked on here: `submit` puts the file of requests into a
folder, `work` asks them one by one and writes each answer down before the next, and the rest of the pipeline polls and
collects as ever. Whoever dies in the middle leaves a folder that the next one goes on with.

A call that was sent and not answered cannot be found again, unlike a batch. It is not asked again here: it ends as
missing, counts as perhaps paid for, and the next backfill asks it as a new attempt.
"""

from __future__ import annotations

import datetime as dt
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import filelock
import orjson
import tenacity

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import ProviderBusy, ProviderError, ProviderRefused, ProviderUncertain
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import (
    AccessMode,
    BatchProvider,
    BatchState,
    Framing,
    LookupRequest,
    LookupResult,
    PromptPayload,
    ResultRow,
    Submission,
    UnreadableRow,
)
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.rows import read_line

AT_A_TIME: Final = 4

# A provider that still says "later" after so many waits has run out of quota for today.
_MOST_WAITS: Final = 6
_LONGEST_WAIT_SECONDS: Final = 120.0
# These concern the account and not the request: the next one would fare no better.
_ACCOUNT_STATUSES: Final = frozenset({401, 402, 403, 404})


class DirectCalls:
    """A provider asked by ordinary calls; `folder` keeps what is under way.

    For each batch: `ID.requests` as in a batch's file, `ID.asked` with the custom id of each call before it is sent,
    `ID.answers` with a row a line.
    """

    access: AccessMode = "direct"
    framing = Framing()

    def __init__(self, provider: BatchProvider, folder: Path, at_a_time: int = AT_A_TIME) -> None:
        self._provider = provider
        self._folder = folder
        self._at_a_time = at_a_time
        self.key = provider.key
        self.endpoint = provider.endpoint

    def request(self, model: Model, question: PromptPayload, custom_id: str, text: str) -> dict[str, Any]:
        return self._provider.request(model, question, custom_id, text)

    def check(self) -> None:
        """Nothing: what tells of batches may be closed to this account, and a call would cost."""

    def submit(self, submission: Submission) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        submission.before_creation()
        target = self._path(_batch_id(submission.token), "requests")

        def write(part: Path) -> None:
            with part.open("wb") as file, submission.file.open("rb") as source:
                file.write(orjson.dumps({"model": submission.model}) + b"\n")
                if self._provider.framing == Framing():
                    shutil.copyfileobj(source, file)
                else:
                    _write_lines(file, source.read(), self._provider.framing)

        write_atomic(target, write)
        return _batch_id(submission.token)

    def poll(self, batch_id: str) -> BatchState:
        total, answered, asked = self._count(batch_id, "requests") - 1, *self._progress(batch_id)
        if total < 0:
            raise ProviderRefused(self.key, f"the requests of {batch_id} are not in {self._folder} any more")
        lost = len(asked - answered.keys())
        good = sum(outcome == "succeeded" for outcome in answered.values())
        cancelled = self._path(batch_id, "cancelled").exists()
        if nobody_works_on(self._folder, batch_id) and (cancelled or len(answered) + lost >= total):
            ended = "cancelled" if cancelled and len(answered) + lost < total else "completed"
            # What was sent and not answered may have been paid for.
            return BatchState(ended, ended, good + lost, len(answered) - good, dt.datetime.now(dt.UTC))
        return BatchState("submitted", f"{len(answered):,} of {total:,} asked", good, len(answered) - good)

    def download(self, batch_id: str, folder: Path) -> list[Path]:
        answers = self._path(batch_id, "answers")
        if not answers.exists():
            return []
        return [Path(shutil.copyfile(answers, folder / "answers.jsonl"))]

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        return read_line(line, lambda row: ResultRow(**row))

    def cancel(self, batch_id: str) -> None:
        self._path(batch_id, "cancelled").touch()

    def find(self, sought: LookupRequest) -> LookupResult:
        batch_id = _batch_id(sought.token)
        if self._path(batch_id, "requests").exists():
            return LookupResult(batch_id, "its requests are in the folder of direct calls", thorough=True)
        return LookupResult(
            None, "its requests are not in the folder of direct calls: none of them was sent", thorough=True
        )

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._provider.ask(model, request)

    def work(self, batch_id: str, *, progress: Progress = SILENT) -> None:
        """Ask whatever has not been asked; nothing if somebody else is at it.

        Raises:
            ProviderError: the account is refused, or out of quota; what was answered is kept, and the rest can wait.
        """
        lock = filelock.FileLock(self._path(batch_id, "lock"), timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            return
        try:
            _Work(self._provider, self._path(batch_id, ""), self._at_a_time).go(progress)
        finally:
            lock.release()

    def forget(self, batch_id: str) -> None:
        """It is collected: its files are not needed any more."""
        for ending in ("requests", "asked", "answers", "cancelled", "lock"):
            self._path(batch_id, ending).unlink(missing_ok=True)

    def _progress(self, batch_id: str) -> tuple[dict[str, str], set[str]]:
        """The outcomes of what was answered, and the ids of what was asked."""
        return _answered(self._path(batch_id, "answers")), _asked(self._path(batch_id, "asked"))

    def _count(self, batch_id: str, ending: str) -> int:
        path = self._path(batch_id, ending)
        if not path.exists():
            return 0
        with path.open("rb") as file:
            return sum(1 for line in file if line.strip())

    def _path(self, batch_id: str, ending: str) -> Path:
        return self._folder / f"{batch_id}.{ending}".rstrip(".")


def nobody_works_on(folder: Path, batch_id: str) -> bool:
    """Whether a batch of ordinary calls lies idle."""
    path = folder / f"{batch_id}.lock"
    if not path.exists():
        return True
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        return False
    lock.release()
    return True


class _Work:
    """One go at a batch, by several threads."""

    def __init__(self, provider: BatchProvider, base: Path, at_a_time: int) -> None:
        self._provider = provider
        self._base = base
        self._at_a_time = at_a_time
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._stopped: ProviderError | None = None

    def go(self, progress: Progress) -> None:
        """Ask until all is asked, it is cancelled, or the account is refused."""
        requests = Path(f"{self._base}.requests")
        with requests.open("rb") as file:
            model = str(orjson.loads(file.readline())["model"])
            total = sum(1 for line in file if line.strip())
        done = _asked(Path(f"{self._base}.asked")) | _answered(Path(f"{self._base}.answers")).keys()
        todo = self._todo(requests, done)

        def ask_on() -> None:
            while self._stopped is None and not Path(f"{self._base}.cancelled").exists():
                with self._lock:
                    request = next(todo, None)
                if request is None:
                    return
                self._ask(model, *request)
                progress.advance("asking", 1, total)

        progress.advance("asking", len(done), total)
        with ThreadPoolExecutor(max_workers=self._at_a_time) as pool:
            for future in [pool.submit(ask_on) for _ in range(self._at_a_time)]:
                future.result()
        if self._stopped is not None:
            raise self._stopped

    @staticmethod
    def _todo(requests: Path, done: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        with requests.open("rb") as file:
            file.readline()
            for line in file:
                if line.strip():
                    request: dict[str, Any] = orjson.loads(line)
                    custom_id = str(request.get("custom_id") or request.get("key"))
                    if custom_id not in done:
                        yield custom_id, request

    def _ask(self, model: str, custom_id: str, request: dict[str, Any]) -> None:
        """Ask one, write down what comes; nothing is written where it may have been paid for and no answer came."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(ProviderBusy),
            stop=tenacity.stop_after_attempt(_MOST_WAITS),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            row = self._provider.read_row(orjson.dumps(retrying(self._ask_once, model, custom_id, request)))
        except ProviderBusy as error:
            self._stopped = error
            return
        except ProviderUncertain as error:
            if error.status is not None:
                # An answer, though an error: nobody is charged for it.
                self._write("answers", ResultRow(custom_id, "errored", error=str(error))._asdict())
            return
        except ProviderRefused as error:
            if error.status in _ACCOUNT_STATUSES:
                self._write("asked", {"not": custom_id})
                self._stopped = error
            else:
                self._write("answers", ResultRow(custom_id, "errored", error=str(error))._asdict())
            return
        if isinstance(row, ResultRow):
            self._write("answers", row._asdict())
        else:
            self._write("answers", ResultRow(custom_id, "errored", error=f"{row.reason}: {row.line}")._asdict())

    def _ask_once(self, model: str, custom_id: str, request: dict[str, Any]) -> Mapping[str, Any]:
        self._sleep(max(0.0, self._not_before - time.monotonic()))
        self._write("asked", {"id": custom_id})
        try:
            return self._provider.ask(model, request)
        except ProviderBusy as error:
            # It did nothing; and the others need not find that out for themselves.
            self._write("asked", {"not": custom_id})
            if error.retry_after_seconds is not None:
                self._not_before = max(self._not_before, time.monotonic() + error.retry_after_seconds)
            raise

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        told = error.retry_after_seconds if isinstance(error, ProviderBusy) else None
        return min(_LONGEST_WAIT_SECONDS, told if told is not None else float(2**state.attempt_number))

    def _sleep(self, seconds: float) -> None:
        """In short pieces, so that a cancellation or an end is seen soon."""
        until = time.monotonic() + min(seconds, _LONGEST_WAIT_SECONDS)
        while self._stopped is None and not Path(f"{self._base}.cancelled").exists():
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(0.5, left))

    def _write(self, ending: str, row: Mapping[str, Any]) -> None:
        # In one call, so that a crash leaves whole lines or none; closed at once, so that it is with the system.
        with self._lock, Path(f"{self._base}.{ending}").open("ab", buffering=0) as file:
            file.write(orjson.dumps(row) + b"\n")


def _batch_id(token: str) -> str:
    return f"direct-{token}"


def _write_lines(file: Any, content: bytes, framing: Framing) -> None:
    """The requests of another framing, a line each."""
    body = content.removeprefix(framing.head).removesuffix(framing.tail)
    for request in body.split(framing.separator):
        file.write(request + b"\n")


def _asked(path: Path) -> set[str]:
    asked: set[str] = set()
    for row in _lines(path):
        if "not" in row:
            asked.discard(str(row["not"]))
        else:
            asked.add(str(row["id"]))
    return asked


def _answered(path: Path) -> dict[str, str]:
    return {str(row["custom_id"]): str(row["outcome"]) for row in _lines(path)}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            # The last line of a machine that lost its power may be cut.
            try:
                row: object = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict):
                yield row
