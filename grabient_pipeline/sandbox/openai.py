"""Chat completions, batches and files of OpenAI, and of Groq, which speaks the same with small differences."""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.abilities import LIMITS, Provider
from grabient_pipeline.sandbox.cancelling import cancelled
from grabient_pipeline.sandbox.context import KEY_PREFIX, Context, json_response, later
from grabient_pipeline.sandbox.creating import Creation
from grabient_pipeline.sandbox.desk import CUSTOM_ID_HEADER
from grabient_pipeline.sandbox.documents import JsonObject, as_object
from grabient_pipeline.sandbox.openai_rows import CODES, ENDPOINT, ERROR_TYPES, FLAVOURS, ChatDialect, Flavour
from grabient_pipeline.sandbox.production import Refusal
from grabient_pipeline.sandbox.spoiling import StrangeRow
from grabient_pipeline.sandbox.store import Batch, Phase, StoredFile, common_prefix, copy_stream, lines_of, now

_HOUR = 3600
_MOST_BYTES_OF_A_CALL = 32 * 1024 * 1024
_STRANGE = StrangeRow(
    {"id": "batch_req_0", "response": {"status_code": 200, "request_id": "req_0", "body": {}}, "error": None},
    "custom_id",
)
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


def error(
    status: int,
    type_: str = "",
    message: str = "",
    param: str | None = None,
    code: str | None = None,
    *,
    retry_after: float | None = None,
) -> Response:
    """An error answer in OpenAI's and Groq's form."""
    kind = type_ or ERROR_TYPES.get(status, "invalid_request_error")
    text = message or {429: "Rate limit reached", 503: "Service unavailable"}.get(status, "The server had an error")
    inner = {"message": text, "type": kind, "param": param, "code": code or CODES.get(status)}
    headers = {"x-request-id": f"req_{secrets.token_hex(16)}", **later(retry_after)}
    return json_response({"error": inner}, status, headers)


def routes(context: Context, provider: Provider) -> list[BaseRoute]:
    """Everything under `/openai/v1` or `/groq/openai/v1`."""
    api = _Api(context, FLAVOURS[provider])
    return [
        Route("/chat/completions", api.ask, methods=["POST"]),
        Route("/files", api.upload, methods=["POST"]),
        Route("/files", api.list_files, methods=["GET"]),
        Route("/files/{id}", api.file, methods=["GET"]),
        Route("/files/{id}", api.delete_file, methods=["DELETE"]),
        Route("/files/{id}/content", api.content, methods=["GET"]),
        Route("/batches", api.create, methods=["POST"]),
        Route("/batches", api.list_batches, methods=["GET"]),
        Route("/batches/{id}", api.retrieve, methods=["GET"]),
        Route("/batches/{id}/cancel", api.cancel, methods=["POST"]),
    ]


def refused_call(request: Request, provider: Provider) -> Response | None:
    """The answer to a call without a valid key, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    page = FLAVOURS[provider].key_page
    if scheme.lower() != "bearer" or not key:
        return error(401, message=f"You didn't provide an API key. Obtain one from {page}.")
    if not key.startswith(KEY_PREFIX):
        if provider == "groq":
            return error(401, message="Invalid API Key")
        shown = f"{key[:4]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
        return error(401, message=f"Incorrect API key provided: {shown}. Find yours at {page}.")
    return None


class _Api:
    def __init__(self, context: Context, flavour: Flavour) -> None:
        self._context = context
        self._store = context.store
        self._flavour = flavour
        self._provider: Provider = flavour.provider
        self._dialect = ChatDialect(flavour.provider)
        self._creation = Creation(context, flavour.provider, self._create, self._created, error, self._denied)

    # Ordinary calls.

    async def ask(self, request: Request) -> Response:
        return await self._context.desk.serve(request, self._provider, "asking", self._ask)

    def _ask(self, request: Request, content: bytes) -> Response:
        if len(content) > _MOST_BYTES_OF_A_CALL:
            return error(413, message=f"Request too large: the limit is {_MOST_BYTES_OF_A_CALL} bytes.")
        try:
            body = as_object(orjson.loads(content))
        except orjson.JSONDecodeError:
            return error(400, message="We could not parse the JSON body of your request.")
        if not isinstance(body.get("model"), str):
            return error(400, message="you must provide a model parameter")
        row = self._dialect.request(request.headers.get(CUSTOM_ID_HEADER, ""), body)
        if row.refusal is not None:
            return _refused(row.refusal)
        answer = self._context.desk.answer(row)
        if answer.finish == "overloaded":
            return _refused(self._dialect.overload(answer))
        self._context.desk.bill(self._provider, row, answer)
        return json_response(
            self._dialect.completion(row, answer, now()), 200, {"x-request-id": f"req_{secrets.token_hex(16)}"}
        )

    # Files.

    async def upload(self, request: Request) -> Response:
        limit = LIMITS[self._provider].bytes
        # The parts around the file are small.
        if int(request.headers.get("content-length", "0")) > limit + 65_536:
            async for _ in request.stream():
                pass
            return error(413, message=f"File is too large: the limit is {limit} bytes.", param="file")
        try:
            form = await request.form(max_files=1, max_fields=10)
        except (MultiPartException, KeyError, AssertionError) as problem:
            return error(400, message=f"Could not parse multipart form: {problem}")
        try:
            return await self._take_upload(dict(form), limit)
        finally:
            await form.close()

    async def _take_upload(self, form: dict[str, Any], limit: int) -> Response:
        purpose, file = form.get("purpose"), form.get("file")
        if not isinstance(file, UploadFile):
            return error(
                400, message="Missing required parameter: 'file'.", param="file", code="missing_required_parameter"
            )
        if purpose != "batch":
            return error(400, message=f"'{purpose}' is not one of the purposes served here: 'batch'.", param="purpose")
        name = file.filename or "file"
        if not name.endswith((".jsonl", ".json", ".txt")):
            return error(400, message=f"Invalid file format for Batch API: {name}. Must be .jsonl", param="file")
        content = self._store.new_upload()
        size = await run_in_threadpool(copy_stream, file.file, content)
        if size > limit:
            content.unlink()
            return error(413, message=f"File is too large: the limit is {limit} bytes.", param="file")
        if size == 0:
            content.unlink()
            return error(400, message="File is empty.", param="file", code="empty_file")
        moment = now()
        stored = StoredFile(self._provider, self._file_id(), name, "batch", size, moment)
        seconds = form.get("expires_after[seconds]")
        if seconds:
            if not str(seconds).isdigit() or not _HOUR <= int(seconds) <= 30 * 24 * _HOUR:
                content.unlink()
                return error(
                    400, message="Invalid 'expires_after.seconds': between 3600 and 2592000.", param="expires_after"
                )
            stored.expires = moment + int(seconds)
        self._store.add_file(stored, content)
        return json_response(self._file_document(stored))

    async def list_files(self, request: Request) -> Response:
        query = request.query_params
        files = self._store.files(self._provider)
        if "purpose" in query:
            files = [file for file in files if file.purpose == query["purpose"]]
        if query.get("order", "desc") == "asc":
            files.reverse()
        page = self._page(files, query, 10_000, 10_000)
        if isinstance(page, Response):
            return page
        return self._list(page, [self._file_document(file) for file in page.members])

    async def file(self, request: Request) -> Response:
        stored = self._store.file(self._provider, request.path_params["id"])
        return json_response(self._file_document(stored)) if stored else self._no_file(request)

    async def delete_file(self, request: Request) -> Response:
        stored = self._store.file(self._provider, request.path_params["id"])
        if stored is None:
            return self._no_file(request)
        # A batch that still reads its input keeps the bytes.
        stored.deleted = True
        self._store.save_file(stored)
        return json_response({"id": stored.id, "object": "file", "deleted": True})

    async def content(self, request: Request) -> Response:
        stored = self._store.file(self._provider, request.path_params["id"])
        if stored is None:
            return self._no_file(request)
        path = self._store.content(self._provider, stored.id)
        gone = self._context.faults.take("results_gone", self._provider) if stored.purpose == "batch_output" else None
        if gone is not None:
            return error(gone["status"], "invalid_request_error", self._no_file_message(request), "id")
        if stored.purpose == "batch_output" and stored.name.endswith("_output.jsonl"):
            return self._context.results(self._provider, path, "application/octet-stream", _STRANGE)
        return self._context.plain(path, "application/octet-stream")

    # Batches.

    async def create(self, request: Request) -> Response:
        return await self._creation.answer(request)

    async def _create(self, request: Request) -> Batch | Response:
        try:
            wanted = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return error(400, message="We could not parse the JSON body of your request.")
        for name in ("input_file_id", "endpoint", "completion_window"):
            if not isinstance(wanted.get(name), str):
                message = f"Missing required parameter: '{name}'."
                return error(400, message=message, param=name, code="missing_required_parameter")
        if wanted["endpoint"] != ENDPOINT:
            message = f"Invalid value: '{wanted['endpoint']}'. Served here: '{ENDPOINT}'."
            return error(400, message=message, param="endpoint", code="invalid_value")
        window = _window_hours(wanted["completion_window"])
        if window is None or not 24 <= window <= self._flavour.longest_window:
            message = f"Invalid value: '{wanted['completion_window']}'. Supported values are: '24h'."
            return error(400, message=message, param="completion_window", code="invalid_value")
        problem = _metadata_problem(wanted.get("metadata"))
        if problem:
            return error(400, message=f"Invalid 'metadata': {problem}", param="metadata", code="invalid_value")
        stored = self._store.file(self._provider, wanted["input_file_id"])
        if stored is None:
            message = f"No such File object: {wanted['input_file_id']}"
            return error(404, message=message, param="input_file_id")
        if stored.purpose != "batch":
            message = f"Invalid 'input_file_id': the file's purpose is '{stored.purpose}', not 'batch'."
            return error(400, message=message, param="input_file_id", code="invalid_value")
        return await self._make(wanted, stored, window)

    async def _make(self, wanted: dict[str, Any], stored: StoredFile, window: int) -> Batch:
        content = self._store.content(self._provider, stored.id)
        model, count, prefix = await run_in_threadpool(_glance, content)
        identity = secrets.token_hex(16) if self._flavour.newer_fields else f"01{secrets.token_hex(12)}"
        batch = Batch(self._provider, f"batch_{identity}", now(), 0.0, count, model, stored.id)
        batch.custom_id_prefix = prefix
        batch.details = {
            "endpoint": wanted["endpoint"],
            "completion_window": wanted["completion_window"],
            "window": window * _HOUR,
            "metadata": wanted.get("metadata"),
            "output_file": self._file_id(),
            "error_file": self._file_id(),
        }
        return self._context.add_batch(batch)

    def _created(self, request: Request, batch: Batch) -> Response:
        return json_response(self._batch_document(batch, Phase.VALIDATING))

    def _denied(self, status: int | None) -> Response:
        if self._provider == "groq":
            message = "The Batch API is not available for your plan. Please upgrade."
            return error(status or 403, "permissions_error", message, code="not_available_for_plan")
        return error(status or 403, message="Your project does not have access to the Batch API.")

    async def retrieve(self, request: Request) -> Response:
        batch = self._context.asked_for(self._provider, request.path_params["id"])
        return json_response(self._told(batch)) if batch else self._no_batch(request)

    async def list_batches(self, request: Request) -> Response:
        batches = self._context.listed(self._provider)
        asked_ids = request.query_params.getlist("id")
        if asked_ids and not self._flavour.newer_fields:
            batches = [batch for batch in batches if batch.id in asked_ids]
        page = self._page(batches, request.query_params, 20, 100)
        if isinstance(page, Response):
            return page
        return self._list(page, [self._batch_document(batch) for batch in page.members])

    async def cancel(self, request: Request) -> Response:
        batch = self._store.batch(self._provider, request.path_params["id"])
        if batch is None:
            return self._no_batch(request)
        return await cancelled(
            self._context,
            batch,
            lambda phase: error(409, message=f"Cannot cancel a batch with status '{_WORDS[phase]}'."),
            lambda: json_response(self._batch_document(batch, Phase.CANCELLING)),
            error,
        )

    # Forms.

    def _file_id(self) -> str:
        random = secrets.token_urlsafe(17).replace("-", "x").replace("_", "y")
        return self._flavour.file_prefix + (random[:22] if self._flavour.newer_fields else f"01{secrets.token_hex(12)}")

    def _no_file(self, request: Request) -> Response:
        return error(404, message=self._no_file_message(request), param="id")

    @staticmethod
    def _no_file_message(request: Request) -> str:
        return f"No such File object: {request.path_params['id']}"

    def _no_batch(self, request: Request) -> Response:
        return error(404, message=f"No batch found with id '{request.path_params['id']}'.")

    def _page(self, known: list[Any], query: Any, usual: int, most: int) -> "_Page | Response":
        limit = query.get("limit", str(usual))
        if not limit.isdigit() or not 1 <= int(limit) <= most:
            return error(400, message=f"Invalid 'limit': expected a value from 1 to {most}.", param="limit")
        size = self._context.page_size(self._provider, int(limit))
        after = query.get("after" if self._flavour.newer_fields else "cursor") or ""
        if after:
            places = [place for place, each in enumerate(known) if each.id == self._context.place_of(after)]
            if not places:
                return error(400, message=f"Invalid 'after': '{after}' is not in the list.", param="after")
            known = known[places[0] + 1 :]
        further = self._context.empty_page(self._provider, after)
        if further is not None:
            return _Page([], further, True)
        page = known[:size]
        return _Page(page, page[-1].id if page else None, len(known) > size)

    def _list(self, page: "_Page", data: list[JsonObject]) -> Response:
        document: JsonObject = {"object": "list", "data": data}
        if self._flavour.newer_fields:
            document["first_id"] = data[0]["id"] if data else None
            document["last_id"] = page.last
            document["has_more"] = page.more
        else:
            document["paging"] = {"next_cursor": page.last if page.more else None}
        return json_response(document)

    def _file_document(self, file: StoredFile) -> dict[str, Any]:
        document: dict[str, Any] = {
            "id": file.id,
            "object": "file",
            "bytes": file.size,
            "created_at": int(file.created),
            "filename": file.name,
            "purpose": file.purpose,
        }
        if self._flavour.newer_fields:
            document["status"] = "processed"
            document["expires_at"] = None if file.expires is None else int(file.expires)
        return document

    def _told(self, batch: Batch) -> JsonObject:
        """What is told of a batch, with everything that is armed."""
        document = self._batch_document(batch)
        faults, provider = self._context.faults, self._provider
        if document["output_file_id"] is not None and faults.take("no_output_file", provider):
            document["output_file_id"] = None
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

    def _batch_document(self, batch: Batch, phase: Phase | None = None) -> dict[str, Any]:
        moment = now()
        phase = phase or batch.phase(moment)
        details, outcome = batch.details, batch.outcome
        shown = outcome if phase.ended else None
        ended = int(batch.ended_at)
        running = phase not in (Phase.VALIDATING, Phase.FAILED)
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
            "created_at": int(batch.created),
            "in_progress_at": int(batch.running_since) if running else None,
            "expires_at": int(batch.created) + details["window"],
            "finalizing_at": int(batch.finalizing_since) if phase in (Phase.FINALIZING, Phase.COMPLETED) else None,
            "completed_at": ended if phase is Phase.COMPLETED else None,
            "failed_at": ended if phase is Phase.FAILED else None,
            "expired_at": ended if phase is Phase.EXPIRED else None,
            "cancelling_at": int(batch.cancelled) if batch.cancelled is not None else None,
            "cancelled_at": ended if phase is Phase.CANCELLED else None,
            "request_counts": self._counts(batch, phase, moment),
            "metadata": details["metadata"],
        }
        if self._flavour.newer_fields:
            document["model"] = batch.model or None
        if self._flavour.newer_fields and shown is not None:
            document["usage"] = {
                "input_tokens": shown.input_tokens,
                "input_tokens_details": {"cached_tokens": 0},
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


@dataclass(frozen=True, slots=True)
class _Page:
    """A part of a list; `last` is what leads on from it."""

    members: list[Any]
    last: str | None
    more: bool


def _refused(refusal: Refusal) -> Response:
    return error(refusal.status, refusal.type, refusal.message, refusal.param, refusal.code)


def _window_hours(window: str) -> int | None:
    found = re.fullmatch(r"(\d+)([hd])", window)
    if found is None:
        return None
    return int(found.group(1)) * (24 if found.group(2) == "d" else 1)


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


def _glance(path: Path) -> tuple[str, int, str]:
    """The model of the first line, the number of lines, what all custom ids begin with; mistakes are found later."""
    model, count = "", 0
    prefix: str | None = None
    for line in lines_of(path):
        count += 1
        found = _CUSTOM_ID.search(line)
        if found:
            prefix = common_prefix(prefix, found.group(1).decode(errors="replace"))
        if count == 1:
            try:
                model = str(orjson.loads(line)["body"]["model"])
            except (orjson.JSONDecodeError, KeyError, TypeError):
                model = ""
    return model, count, prefix or ""


_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([^"\\]*)"')
