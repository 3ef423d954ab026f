"""Ordinary calls for accounts without batch access: the same requests, a few at a time.

They cost the full price, and the price of a batch where the catalogue gives the model the tier flex: each request then
asks for it. If the provider has no room at that tier, the call costs nothing and is repeated for a quarter of an hour.
If the provider refuses the tier, the rest of the batch goes out at full price, provided that the caller allows it.

Presented as a batch API that runs on this machine. `submit` puts the request file into a folder, `work` sends its
requests and records each answer before the next request, and the rest of the pipeline polls and collects as usual. If
the process dies, the next `work` continues with what the folder holds.

A call that was sent but not answered cannot be looked up, unlike a batch. It is not sent again here: its result is
missing, it may have been billed, and the next backfill makes a new attempt.
"""

from __future__ import annotations

import datetime as dt
import shutil
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Literal

import filelock
import orjson
import tenacity

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import ProviderBusy, ProviderError, ProviderRefused, ProviderUncertain, TierUnavailable
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import (
    OWED,
    AccessMode,
    AllowFullPrice,
    BatchProvider,
    BatchState,
    BatchStatus,
    Delivery,
    Framing,
    ListedBatch,
    LookupRequest,
    LookupResult,
    OfferedModel,
    Owed,
    PromptPayload,
    RequestFormat,
    ResultRow,
    ServiceTier,
    Submission,
    UnreadableRow,
    never_allow,
)
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.rows import read_line

CONCURRENT_CALLS: Final = 4

# A provider that is still busy after this many attempts is out of quota for the day.
_MAX_ATTEMPTS: Final = 6
_MAX_WAIT_SECONDS: Final = 120.0
# At the tier flex, a busy answer may only mean that there is no room at the moment.
_FLEX_PATIENCE_SECONDS: Final = 900.0
# These statuses concern the account and not the request, so the next request would fail as well.
_ACCOUNT_STATUSES: Final = frozenset({401, 402, 403, 404})

# The files of a batch, `BATCH_ID.SUFFIX`:
#   requests    a line with the model, then the request file of a batch
#   asked       the custom id of each call, written before it is sent
#   answers     one result row per line
#   cancelled   exists once the batch was cancelled
#   lock        held while a process sends requests
_Suffix = Literal["requests", "asked", "answers", "cancelled", "lock"]
_SUFFIXES: Final[tuple[_Suffix, ...]] = ("requests", "asked", "answers", "cancelled", "lock")


class DirectFormat:
    """A provider's requests for ordinary calls: one per line, whatever the framing of its batches."""

    access: AccessMode = "direct"
    framing = Framing()

    def __init__(self, batch_format: RequestFormat) -> None:
        self._batch_format = batch_format
        self.key = batch_format.key

    def request(
        self, model: Model, payload: PromptPayload, custom_id: str, text: str, picture: str | None = None
    ) -> dict[str, Any]:
        request = self._batch_format.request(model, payload, custom_id, text, picture)
        return request if model.flex is None else self.at_tier(request, "flex")

    def at_tier(self, request: Mapping[str, Any], tier: ServiceTier) -> dict[str, Any]:
        return self._batch_format.at_tier(request, tier)


class DirectCalls(DirectFormat):
    """A provider that is reached by ordinary calls; `folder` holds the batches that are under way."""

    # The answers are in the folder or were never received.
    owed: Mapping[BatchStatus, Owed] = dict.fromkeys(OWED, "no row")

    def __init__(self, provider: BatchProvider, folder: Path, concurrent_calls: int = CONCURRENT_CALLS) -> None:
        super().__init__(provider)
        self._provider = provider
        self._folder = folder
        self._concurrent_calls = concurrent_calls
        self.endpoint = provider.endpoint

    def check(self) -> None:
        """Do nothing: the account may have no access to batches, and an ordinary call costs money."""

    def clock_offset(self) -> dt.timedelta:
        """Return zero: the batches are on this machine."""
        return dt.timedelta(0)

    def submit(self, submission: Submission) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        submission.before_creation()
        batch_id = _batch_id(submission.submission)

        def write(part: Path) -> None:
            with part.open("wb") as file, submission.file.open("rb") as source:
                file.write(orjson.dumps({"model": submission.model}) + b"\n")
                shutil.copyfileobj(source, file)

        write_atomic(_path(self._folder, batch_id, "requests"), write)
        return batch_id

    def poll(self, batch_id: str) -> BatchState:
        total = _count_lines(_path(self._folder, batch_id, "requests")) - 1
        if total < 0:
            raise ProviderRefused(self.key, f"the requests of {batch_id} are not in {self._folder} any more")
        outcomes = _read_outcomes(_path(self._folder, batch_id, "answers"))
        sent = _read_sent(_path(self._folder, batch_id, "asked"))
        succeeded = sum(outcome == "succeeded" for outcome in outcomes.values())
        failed = len(outcomes) - succeeded
        unanswered = len(sent - outcomes.keys())
        complete = len(outcomes) + unanswered >= total
        cancelled = _path(self._folder, batch_id, "cancelled").exists()
        if is_idle(self._folder, batch_id) and (complete or cancelled):
            status = "completed" if complete else "cancelled"
            # Calls that were not answered may have been billed.
            return BatchState(status, status, succeeded + unanswered, failed, dt.datetime.now(dt.UTC))
        return BatchState("submitted", f"{len(outcomes):,} of {total:,} asked", succeeded, failed)

    def list_states(self, batch_ids: Collection[str]) -> Iterator[tuple[str, BatchState]]:
        # `poll` reads a file, which is as fast.
        return iter(())

    def download(self, batch_id: str, folder: Path) -> Delivery:
        state = self.poll(batch_id)
        answers = _path(self._folder, batch_id, "answers")
        files = [Path(shutil.copyfile(answers, folder / "answers.jsonl"))] if answers.exists() else []
        return Delivery(state, files)

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        return read_line(line, lambda row: ResultRow(**row))

    def list_models(self) -> Iterator[OfferedModel]:
        return self._provider.list_models()

    def announced_ends(self) -> Mapping[str, str]:
        return self._provider.announced_ends()

    def cancel(self, batch_id: str) -> None:
        _path(self._folder, batch_id, "cancelled").touch()

    def list_batches(self, since: dt.datetime | None, known: frozenset[str]) -> Iterator[ListedBatch]:
        for path in sorted(self._folder.glob("direct-*.requests")):
            created_at = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
            if path.stem not in known and (since is None or created_at >= since):
                yield ListedBatch(path.stem, created_at, None, _first_custom_id(path), _count_lines(path) - 1)

    def find(self, lookup: LookupRequest) -> LookupResult:
        batch_id = _batch_id(lookup.submission)
        if _path(self._folder, batch_id, "requests").exists():
            return LookupResult(batch_id, "its requests are in the folder of direct calls", thorough=True)
        return LookupResult(
            None, "its requests are not in the folder of direct calls: none of them was sent", thorough=True
        )

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._provider.ask(model, request)

    def work(self, batch_id: str, progress: Progress = SILENT, allow_full_price: AllowFullPrice = never_allow) -> None:
        """Send the requests that have not been sent; return at once if another process is doing so."""
        lock = filelock.FileLock(_path(self._folder, batch_id, "lock"), timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            return
        try:
            run = _BatchRun(self._provider, self._folder, batch_id, progress, allow_full_price)
            run.run(self._concurrent_calls)
        finally:
            lock.release()

    def discard(self, submission: str) -> None:
        """Do nothing: a file of requests is a batch."""

    def forget(self, batch_id: str) -> None:
        for suffix in _SUFFIXES:
            _path(self._folder, batch_id, suffix).unlink(missing_ok=True)


def is_idle(folder: Path, batch_id: str) -> bool:
    """Whether no process is sending the requests of a batch of direct calls."""
    path = _path(folder, batch_id, "lock")
    if not path.exists():
        return True
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        return False
    lock.release()
    return True


class _BatchRun:
    """Sends the remaining requests of one batch from several threads."""

    def __init__(
        self, provider: BatchProvider, folder: Path, batch_id: str, progress: Progress, allow_full_price: AllowFullPrice
    ) -> None:
        self._provider = provider
        self._progress = progress
        self._allow_full_price = allow_full_price
        self._requests, self._asked, self._answers, self._cancelled = (
            _path(folder, batch_id, suffix) for suffix in ("requests", "asked", "answers", "cancelled")
        )
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._stopped: ProviderError | None = None
        self._total = 0
        self._fallback_lock = threading.Lock()
        # Whether flex was refused, and the rest is sent at full price.
        self._fell_back = False

    def run(self, concurrent_calls: int) -> None:
        """Send requests until none is left, the batch is cancelled, or the account is refused.

        Raises:
            ProviderError: The account was refused or is out of quota.
            TierUnavailable: There was no room at the tier flex for long, or the rest may not be sent at full price.
        """
        progress = self._progress
        with self._requests.open("rb") as file:
            model = str(orjson.loads(file.readline())["model"])
            self._total = total = sum(1 for line in file if line.strip())
        done = _read_sent(self._asked) | _read_outcomes(self._answers).keys()
        remaining = self._read_remaining(done)

        def send_requests() -> None:
            while not self._should_stop():
                with self._lock:
                    request = next(remaining, None)
                if request is None:
                    return
                self._send_and_record(model, *request)
                progress.advance("asking", 1, total)

        progress.advance("asking", len(done), total)
        with ThreadPoolExecutor(max_workers=concurrent_calls) as pool:
            for future in [pool.submit(send_requests) for _ in range(concurrent_calls)]:
                future.result()
        if self._stopped is not None:
            raise self._stopped

    def _read_remaining(self, done: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        with self._requests.open("rb") as file:
            file.readline()
            for line in file:
                if line.strip():
                    request: dict[str, Any] = orjson.loads(line)
                    custom_id = _custom_id(request)
                    if custom_id not in done:
                        yield custom_id, request

    def _send_and_record(self, model: str, custom_id: str, request: dict[str, Any]) -> None:
        """Send one request and record its result; none is recorded if no answer came and the call may be billed."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(ProviderBusy),
            stop=self._has_lost_patience,
            wait=_seconds_to_wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            row = self._provider.read_row(orjson.dumps(retrying(self._send_once, model, custom_id, request)))
        except (ProviderBusy, TierUnavailable) as error:
            self._stop(error, self._tier(request))
        except ProviderUncertain as error:
            if error.status is not None and error.status < 300:
                # Something else than the provider answers at this address.
                self._append(self._asked, {"not": custom_id})
                self._stopped = error
            elif error.status is not None:
                # An answer, even though it is an error: it is not billed.
                self._record_error(custom_id, str(error))
        except ProviderRefused as error:
            if error.status in _ACCOUNT_STATUSES:
                self._append(self._asked, {"not": custom_id})
                self._stopped = error
            else:
                self._record_error(custom_id, str(error))
        else:
            if isinstance(row, ResultRow):
                self._append(self._answers, row._asdict())
            else:
                self._record_error(custom_id, f"{row.reason}: {row.line}")

    def _send_once(self, model: str, custom_id: str, request: dict[str, Any]) -> Mapping[str, Any]:
        self._sleep(max(0.0, self._not_before - time.monotonic()))
        tier = self._tier(request)
        if tier == "default":
            request = self._provider.at_tier(request, tier)
        self._append(self._asked, {"id": custom_id})
        try:
            return self._provider.ask(model, request)
        except TierUnavailable as error:
            self._append(self._asked, {"not": custom_id})
            self._fall_back(error, tier)
            return self._send_once(model, custom_id, request)
        except ProviderBusy as error:
            # The provider did nothing, and the other threads wait as well.
            self._append(self._asked, {"not": custom_id})
            if error.retry_after_seconds is not None:
                self._not_before = max(self._not_before, time.monotonic() + error.retry_after_seconds)
            raise

    def _tier(self, request: Mapping[str, Any]) -> ServiceTier | None:
        """Return the service tier that a request is sent with now; None if the requests ask for none."""
        if _asked_tier(request) is None:
            return None
        return "default" if self._fell_back else "flex"

    def _stop(self, error: ProviderBusy | TierUnavailable, tier: ServiceTier | None) -> None:
        """Send nothing more, unless that was so before: then the batch has ended for another reason."""
        if not self._should_stop():
            self._stopped = _no_room(error) if isinstance(error, ProviderBusy) and tier == "flex" else error

    def _fall_back(self, refusal: TierUnavailable, tier: ServiceTier | None) -> None:
        """Send the rest at full price from now on, now that a tier was refused.

        Raises:
            TierUnavailable: That is not allowed, or it was the default tier that was refused.
        """
        with self._fallback_lock:
            if self._stopped is not None or tier != "flex":
                raise refusal
            if self._fell_back:
                # Another thread was first.
                return
            left = self._total - len(_read_outcomes(self._answers))
            reason = self._allow_full_price(str(refusal), left)
            if reason is not None:
                self._stopped = TierUnavailable.after(refusal, reason)
                raise self._stopped
            self._fell_back = True
            self._progress.note(f"{refusal}; the {left:,} requests that are left are sent at full price")

    def _has_lost_patience(self, state: tenacity.RetryCallState) -> bool:
        """Whether a busy answer is not waited for any longer."""
        if self._should_stop():
            return True
        request: Mapping[str, Any] = state.args[2]
        if self._tier(request) == "flex":
            return (state.seconds_since_start or 0.0) >= _FLEX_PATIENCE_SECONDS
        return state.attempt_number >= _MAX_ATTEMPTS

    def _should_stop(self) -> bool:
        return self._stopped is not None or self._cancelled.exists()

    def _sleep(self, seconds: float) -> None:
        """Sleep in short intervals, so that a cancellation or a refused account is noticed soon."""
        until = time.monotonic() + min(seconds, _MAX_WAIT_SECONDS)
        while not self._should_stop():
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(0.5, left))

    def _record_error(self, custom_id: str, error: str) -> None:
        self._append(self._answers, ResultRow(custom_id, "errored", error=error)._asdict())

    def _append(self, path: Path, row: Mapping[str, Any]) -> None:
        # One unbuffered write, so that a crash leaves whole lines and the system has the line before the next call.
        with self._lock, path.open("ab", buffering=0) as file:
            file.write(orjson.dumps(row) + b"\n")


def _seconds_to_wait(state: tenacity.RetryCallState) -> float:
    """Return the wait that the provider asked for, else one that doubles with each attempt."""
    error = state.outcome.exception() if state.outcome else None
    retry_after = error.retry_after_seconds if isinstance(error, ProviderBusy) else None
    return min(_MAX_WAIT_SECONDS, retry_after if retry_after is not None else float(2**state.attempt_number))


def _no_room(error: ProviderBusy) -> TierUnavailable:
    minutes = _FLEX_PATIENCE_SECONDS / 60
    return TierUnavailable.after(
        error, f"there was no room at the tier flex for {minutes:g} minutes; the next poll goes on with the rest"
    )


def _batch_id(submission: str) -> str:
    return f"direct-{submission}"


def _path(folder: Path, batch_id: str, suffix: _Suffix) -> Path:
    return folder / f"{batch_id}.{suffix}"


def _asked_tier(request: Mapping[str, Any]) -> str | None:
    return request.get("body", {}).get("service_tier")


def _custom_id(request: Mapping[str, Any]) -> str:
    return str(request.get("custom_id") or request.get("key"))


def _first_custom_id(path: Path) -> str | None:
    """Return the custom id of the first request in a request file of a batch; None if there is none."""
    with path.open("rb") as file:
        file.readline()
        line = file.readline().strip()
    return _custom_id(orjson.loads(line)) if line else None


def _count_lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _read_sent(path: Path) -> set[str]:
    """Return the custom ids of calls that were sent and not refused."""
    sent: set[str] = set()
    for row in _read_rows(path):
        if "not" in row:
            sent.discard(str(row["not"]))
        else:
            sent.add(str(row["id"]))
    return sent


def _read_outcomes(path: Path) -> dict[str, str]:
    """Return the outcome of each answered call, by custom id."""
    return {str(row["custom_id"]): str(row["outcome"]) for row in _read_rows(path)}


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            # A power failure may cut the last line.
            try:
                row: object = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict):
                yield row
