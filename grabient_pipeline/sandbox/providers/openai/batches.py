"""The batch API of OpenAI and Groq."""

import re
import secrets
from pathlib import Path
from typing import Any, cast

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.batch import Batch, Phase
from grabient_pipeline.sandbox.batches.cancellation import BatchCancellation
from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.creation import BatchCreation
from grabient_pipeline.sandbox.batches.queues import account_of
from grabient_pipeline.sandbox.batches.tokens import TokenCounter
from grabient_pipeline.sandbox.json_values import JsonObject
from grabient_pipeline.sandbox.providers.openai.errors import error, error_of
from grabient_pipeline.sandbox.providers.openai.files import new_file_id
from grabient_pipeline.sandbox.providers.openai.flavour import ChatFlavour
from grabient_pipeline.sandbox.providers.openai.full_queue import full_queue_problem
from grabient_pipeline.sandbox.providers.openai.input_checks import ENDPOINT
from grabient_pipeline.sandbox.providers.openai.pages import find_page, list_response
from grabient_pipeline.sandbox.responses import json_response
from grabient_pipeline.sandbox.store import StoredFile, common_prefix, lines_of, now

_HOUR = 3600
_WORDS = {
    Phase.VALIDATING: "validating",
    Phase.RUNNING: "in_progress",
    Phase.FINALIZING: "finalizing",
    Phase.CANCELLING: "cancelling",
    Phase.COMPLETED: "completed",
    Phase.FAILED: "failed",
    Phase.EXPIRED: "expired",
    Phase.CANCELLED: "cancelled",
}
_END_WORDS = frozenset(word for phase, word in _WORDS.items() if phase.ended)


class Batches:
    """The routes below `/batches`."""

    def __init__(self, context: Context, flavour: ChatFlavour) -> None:
        self._context = context
        self._store = context.store
        self._flavour = flavour
        self._provider = flavour.provider
        self._creation = BatchCreation(context, self._provider, self._create, self._created, error, self._deny)
        self._cancellation = BatchCancellation(
            lambda _, phase: error(409, message=f"Cannot cancel a batch with status '{_WORDS[phase]}'."),
            lambda batch: json_response(self._batch_document(batch, Phase.CANCELLING)),
            error,
        )

    async def create(self, request: Request) -> Response:
        """Create a batch."""
        return await self._creation.respond(request)

    async def _create(self, request: Request) -> Batch | Response:
        try:
            wanted: Any = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return error(400, message="We could not parse the JSON body of your request.")
        problem = self._problem(wanted)
        if problem is not None:
            return problem
        stored = self._store.file(self._provider, wanted["input_file_id"])
        if stored is None:
            message = f"No such File object: {wanted['input_file_id']}"
            return error(404, message=message, param="input_file_id")
        if stored.purpose != "batch":
            message = f"Invalid 'input_file_id': the file's purpose is '{stored.purpose}', not 'batch'."
            return error(400, message=message, param="input_file_id", code="invalid_value")
        return await self._make(wanted, stored, account_of(request))

    def _problem(self, wanted: dict[str, Any]) -> Response | None:
        for name in ("input_file_id", "endpoint", "completion_window"):
            if not isinstance(wanted.get(name), str):
                message = f"Missing required parameter: '{name}'."
                return error(400, message=message, param=name, code="missing_required_parameter")
        if wanted["endpoint"] != ENDPOINT:
            message = f"Invalid value: '{wanted['endpoint']}'. Served here: '{ENDPOINT}'."
            return error(400, message=message, param="endpoint", code="invalid_value")
        window = _window_hours(wanted["completion_window"])
        if window is None or not 24 <= window <= self._flavour.longest_window:
            longest = self._flavour.longest_window
            known = (
                "Supported values are: '24h'"
                if longest == 24
                else f"Durations from 24h to {longest // 24}d are supported"
            )
            message = f"Invalid value: '{wanted['completion_window']}'. {known}."
            return error(400, message=message, param="completion_window", code="invalid_value")
        problem = _metadata_problem(wanted.get("metadata"))
        if problem:
            return error(400, message=f"Invalid 'metadata': {problem}", param="metadata", code="invalid_value")
        return None

    async def _make(self, wanted: dict[str, Any], stored: StoredFile, account: str) -> Batch:
        content = self._store.content(self._provider, stored.id)
        queues = self._context.queues
        counter = TokenCounter(
            counts_output=queues.counts_output(self._provider), picture_rule=self._flavour.picture_rule
        )
        model, count, prefix = await run_in_threadpool(_survey, content, counter)
        identity = secrets.token_hex(16) if self._flavour.newer_fields else f"01{secrets.token_hex(12)}"
        batch = Batch(self._provider, f"batch_{identity}", now(), 0.0, count, model, stored.id)
        batch.custom_id_prefix = prefix
        batch.tokens = counter.total
        batch.details = {
            "endpoint": wanted["endpoint"],
            "completion_window": wanted["completion_window"],
            "window": (_window_hours(wanted["completion_window"]) or 0) * _HOUR,
            "metadata": wanted.get("metadata"),
            "output_file": new_file_id(self._flavour),
            "error_file": new_file_id(self._flavour),
        }
        full = queues.admit(batch, account)
        if full is not None:
            batch.problems = [full_queue_problem(batch, full)]
        return self._context.add_batch(batch)

    def _created(self, request: Request, batch: Batch) -> Response:
        return json_response(self._batch_document(batch, Phase.VALIDATING))

    def _deny(self, status: int | None) -> Response:
        return error_of(self._flavour.no_batch_access, status)

    async def retrieve(self, request: Request) -> Response:
        """Show one batch."""
        batch = self._context.find_batch(self._provider, request.path_params["id"])
        return json_response(self._status_document(batch)) if batch else self._no_batch(request)

    async def list_batches(self, request: Request) -> Response:
        """List batches."""
        batches = self._context.list_batches(self._provider)
        ids = request.query_params.getlist("id")
        if ids and not self._flavour.newer_fields:
            batches = [batch for batch in batches if batch.id in ids]
        page = find_page(self._context, self._flavour, batches, request.query_params, 20, 100)
        if isinstance(page, Response):
            return page
        return list_response(self._flavour, page, [self._batch_document(batch) for batch in page.members])

    async def cancel(self, request: Request) -> Response:
        """Cancel a batch."""
        batch = self._store.batch(self._provider, request.path_params["id"])
        if batch is None:
            return self._no_batch(request)
        return await self._cancellation.respond(self._context, batch)

    def _no_batch(self, request: Request) -> Response:
        return error(404, message=f"No batch found with id '{request.path_params['id']}'.")

    def _status_document(self, batch: Batch) -> JsonObject:
        """The document of a batch, altered by the armed faults."""
        document = self._batch_document(batch)
        faults, provider = self._context.faults, self._provider
        self._withhold_results(document)
        empty = faults.take("empty_file_ids", provider)
        for name in ("output_file_id", "error_file_id"):
            if empty is not None and document[name] is None:
                document[name] = empty["value"]
        if document["errors"] is not None and faults.take("errors_as_list", provider):
            document["errors"] = document["errors"]["data"]
        unknown = faults.take("unknown_state", provider)
        if unknown is not None:
            document["status"] = unknown["word"]
        if faults.take("counts_as_strings", provider):
            document["request_counts"] = {name: str(count) for name, count in document["request_counts"].items()}
        if faults.take("no_counts", provider):
            document["request_counts"] = None
        return document

    def _withhold_results(self, document: JsonObject) -> None:
        """Take out of the document of an ended batch what the armed faults hide."""
        faults, provider = self._context.faults, self._provider
        if document["status"] in _END_WORDS and faults.take("nothing_counted", provider):
            document["output_file_id"] = document["error_file_id"] = None
            document["request_counts"] = {"total": 0, "completed": 0, "failed": 0}
            document.pop("usage", None)
        elif document["output_file_id"] is not None:
            late = faults.take("no_output_file", provider) or faults.take("late_output_file", provider)
            document["output_file_id"] = None if late else document["output_file_id"]

    def _time(self, moment: float) -> int:
        return int(self._context.stated_time(self._provider, moment))

    def _batch_document(self, batch: Batch, phase: Phase | None = None) -> dict[str, Any]:
        moment = now()
        phase = phase or batch.phase(moment)
        details, outcome = batch.details, batch.outcome
        shown = outcome if phase.ended else None
        ended = self._time(batch.ended_at)
        running = phase not in (Phase.VALIDATING, Phase.FAILED)
        finalized = phase in (Phase.FINALIZING, Phase.COMPLETED)
        document: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "endpoint": details["endpoint"],
            "errors": {"object": "list", "data": batch.problems} if phase is Phase.FAILED else None,
            "input_file_id": batch.input,
            "completion_window": details["completion_window"],
            "status": _WORDS[phase],
            "output_file_id": shown.output_file if shown else None,
            "error_file_id": shown.error_file if shown else None,
            "created_at": self._time(batch.created),
            "in_progress_at": self._time(batch.running_since) if running else None,
            "expires_at": self._time(batch.created) + details["window"],
            "finalizing_at": self._time(batch.finalizing_since) if finalized else None,
            "completed_at": ended if phase is Phase.COMPLETED else None,
            "failed_at": ended if phase is Phase.FAILED else None,
            "expired_at": ended if phase is Phase.EXPIRED else None,
            "cancelling_at": self._time(batch.cancelled) if batch.cancelled is not None else None,
            "cancelled_at": ended if phase is Phase.CANCELLED else None,
            "request_counts": self._counts(batch, phase, moment),
            "metadata": details["metadata"],
        }
        if self._flavour.newer_fields:
            document["model"] = batch.model or None
        if self._flavour.newer_fields and shown is not None:
            document["usage"] = {
                "input_tokens": shown.input_tokens,
                "input_tokens_details": {"cached_tokens": shown.cached_tokens},
                "output_tokens": shown.output_tokens,
                "output_tokens_details": {"reasoning_tokens": shown.reasoning_tokens},
                "total_tokens": shown.input_tokens + shown.output_tokens,
            }
        return document

    @staticmethod
    def _counts(batch: Batch, phase: Phase, moment: float) -> dict[str, int]:
        if phase in (Phase.VALIDATING, Phase.FAILED):
            return {"total": 0, "completed": 0, "failed": 0}
        outcome = batch.outcome
        if phase.ended and outcome is not None:
            failed = outcome.errored + outcome.expired + outcome.cancelled
            completed = outcome.succeeded + outcome.miscounted
            return {"total": batch.request_count, "completed": completed, "failed": failed}
        elapsed = min(0.99, (moment - batch.created) / batch.seconds) if batch.seconds else 0.0
        return {"total": batch.request_count, "completed": int(batch.request_count * elapsed), "failed": 0}


def _window_hours(window: str) -> int | None:
    match = re.fullmatch(r"(\d+)([hd])", window)
    if match is None:
        return None
    return int(match.group(1)) * (24 if match.group(2) == "d" else 1)


def _metadata_problem(metadata: Any) -> str | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        return "expected an object."
    pairs = cast(dict[str, Any], metadata)
    if len(pairs) > 16:
        return "too many properties. Expected an object with at most 16 properties."
    for key, value in pairs.items():
        if len(key) > 64:
            return f"key '{key[:20]}...' is longer than 64 characters."
        if not isinstance(value, str):
            return f"expected a string for '{key}'."
        if len(value) > 512:
            return f"the value of '{key}' is longer than 512 characters."
    return None


def _survey(path: Path, counter: TokenCounter) -> tuple[str, int, str]:
    """The model of the first line, the number of lines, and the common prefix of the custom ids; nothing is checked."""
    model, count = "", 0
    prefix: str | None = None
    for line in lines_of(path):
        count += 1
        match = _CUSTOM_ID.search(line)
        if match:
            prefix = common_prefix(prefix, match.group(1).decode(errors="replace"))
        counter.add(line, match.end() if match else 0)
        if count == 1:
            try:
                model = str(orjson.loads(line)["body"]["model"])
            except (orjson.JSONDecodeError, KeyError, TypeError):
                model = ""
    return model, count, prefix or ""


_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([^"\\]*)"')
