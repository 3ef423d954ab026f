"""The Batch and Files APIs of OpenAI, and of Groq, which speaks the same with small differences."""

import hashlib
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

from grabient_pipeline.sandbox.abilities import LIMITS, Provider, ability_of
from grabient_pipeline.sandbox.answers import Answer
from grabient_pipeline.sandbox.chat import asked_of, refusal_of
from grabient_pipeline.sandbox.context import KEY_PREFIX, Context, StrangeRow, json_response
from grabient_pipeline.sandbox.faults import creation
from grabient_pipeline.sandbox.production import Refusal, Row, Written, checked
from grabient_pipeline.sandbox.store import Batch, Phase, StoredFile, common_prefix, copy_stream, lines_of, now

ENDPOINT = "/v1/chat/completions"
_HOUR = 3600
_MOST_PROBLEMS = 20
_ERROR_TYPES = {
    401: "invalid_request_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
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


@dataclass(frozen=True, slots=True)
class Flavour:
    """In what Groq differs from OpenAI."""

    provider: Provider
    file_prefix: str
    # The longest window that may be asked for, in hours.
    longest_window: int
    mixed_models: bool
    # Batches carry `model` and `usage`; lists have `first_id` and friends rather than a cursor.
    newer_fields: bool
    key_page: str


FLAVOURS: dict[Provider, Flavour] = {
    "openai": Flavour("openai", "file-", 24, False, True, "https://platform.openai.com/account/api-keys"),
    "groq": Flavour("groq", "file_", 7 * 24, True, False, "https://console.groq.com/keys"),
}


def error(
    status: int, type_: str = "", message: str = "", param: str | None = None, code: str | None = None
) -> Response:
    """An error answer in OpenAI's and Groq's form."""
    kind = type_ or _ERROR_TYPES.get(status, "invalid_request_error")
    text = message or {429: "Rate limit reached", 503: "Service unavailable"}.get(status, "The server had an error")
    inner = {"message": text, "type": kind, "param": param, "code": code or _CODES.get(status)}
    return json_response({"error": inner}, status, {"x-request-id": f"req_{secrets.token_hex(16)}"})


def routes(context: Context, provider: Provider) -> list[BaseRoute]:
    """Everything under `/openai/v1` or `/groq/openai/v1`."""
    api = _Api(context, FLAVOURS[provider])
    return [
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
        return self._list(request, page, [self._file_document(file) for file in page[0]])

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
        if stored.purpose == "batch_output" and stored.name.endswith("_output.jsonl"):
            return self._context.results(self._provider, path, "application/octet-stream", _STRANGE)
        return self._context.plain(path, "application/octet-stream")

    # Batches.

    async def create(self, request: Request) -> Response:
        return await creation(self._context.faults, self._provider, request, self._create, error)

    async def _create(self, request: Request) -> Response:
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

    async def _make(self, wanted: dict[str, Any], stored: StoredFile, window: int) -> Response:
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
        document = self._batch_document(batch, Phase.VALIDATING)
        self._context.add_batch(batch)
        return json_response(document)

    async def retrieve(self, request: Request) -> Response:
        batch = self._store.batch(self._provider, request.path_params["id"])
        return json_response(self._batch_document(batch)) if batch else self._no_batch(request)

    async def list_batches(self, request: Request) -> Response:
        batches = self._store.batches(self._provider)
        asked_ids = request.query_params.getlist("id")
        if asked_ids and not self._flavour.newer_fields:
            batches = [batch for batch in batches if batch.id in asked_ids]
        page = self._page(batches, request.query_params, 20, 100)
        if isinstance(page, Response):
            return page
        return self._list(request, page, [self._batch_document(batch) for batch in page[0]])

    async def cancel(self, request: Request) -> Response:
        batch = self._store.batch(self._provider, request.path_params["id"])
        if batch is None:
            return self._no_batch(request)
        phase = batch.phase(now())
        if phase.ended:
            return error(409, message=f"Cannot cancel a batch with status '{_WORDS[phase]}'.")
        if phase is not Phase.CANCELLING:
            self._store.cancel(batch, now())
            self._context.workshop.begin(batch)
        return json_response(self._batch_document(batch, Phase.CANCELLING))

    # Forms.

    def _file_id(self) -> str:
        random = secrets.token_urlsafe(17).replace("-", "x").replace("_", "y")
        return self._flavour.file_prefix + (random[:22] if self._flavour.newer_fields else f"01{secrets.token_hex(12)}")

    def _no_file(self, request: Request) -> Response:
        return error(404, message=f"No such File object: {request.path_params['id']}", param="id")

    def _no_batch(self, request: Request) -> Response:
        return error(404, message=f"No batch found with id '{request.path_params['id']}'.")

    def _page(self, known: list[Any], query: Any, usual: int, most: int) -> tuple[list[Any], bool] | Response:
        """One page and whether there is more."""
        limit = query.get("limit", str(usual))
        if not limit.isdigit() or not 1 <= int(limit) <= most:
            return error(400, message=f"Invalid 'limit': expected a value from 1 to {most}.", param="limit")
        after = query.get("after" if self._flavour.newer_fields else "cursor")
        if after:
            places = [place for place, each in enumerate(known) if each.id == after]
            if not places:
                return error(400, message=f"Invalid 'after': '{after}' is not in the list.", param="after")
            known = known[places[0] + 1 :]
        return known[: int(limit)], len(known) > int(limit)

    def _list(self, request: Request, page: tuple[list[Any], bool], data: list[dict[str, Any]]) -> Response:
        document: dict[str, Any] = {"object": "list", "data": data}
        if self._flavour.newer_fields:
            document["first_id"] = data[0]["id"] if data else None
            document["last_id"] = data[-1]["id"] if data else None
            document["has_more"] = page[1]
        else:
            document["paging"] = {"next_cursor": data[-1]["id"] if page[1] else None}
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
            return {"total": batch.request_count, "completed": outcome.succeeded, "failed": failed}
        elapsed = min(0.99, (moment - batch.created) / batch.seconds) if batch.seconds else 0.0
        return {"total": batch.request_count, "completed": int(batch.request_count * elapsed), "failed": 0}


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


class ChatDialect:
    """Rows of an OpenAI or Groq batch."""

    def __init__(self, provider: Provider) -> None:
        self.provider: Provider = provider
        self._flavour = FLAVOURS[provider]

    def problems(self, batch: Batch, path: Path) -> list[dict[str, Any]]:
        seen: set[str] = set()
        found: list[dict[str, Any]] = []
        model: Any = None
        number = 0
        for number, line in enumerate(lines_of(path), 1):
            problem = self._line_problem(line, seen, model)
            if problem is not None:
                code, message, param = problem
                found.append({"code": code, "message": message, "param": param, "line": number})
                if len(found) >= _MOST_PROBLEMS:
                    break
            elif model is None:
                model = orjson.loads(line)["body"]["model"]
            if number > LIMITS[self.provider].requests:
                most = LIMITS[self.provider].requests
                message = f"The batch has too many requests. The maximum number of requests is {most}."
                return [{"code": "too_many_tasks", "message": message, "param": None, "line": None}]
        if number == 0:
            message = "The input file is empty. There must be at least one request."
            found.append({"code": "empty_file", "message": message, "param": None, "line": None})
        return found

    def _line_problem(self, line: bytes, seen: set[str], model: Any) -> tuple[str, str, str | None] | None:
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            return "invalid_json_line", "This line is not parseable as valid JSON.", None
        if not isinstance(row, dict):
            return "invalid_json_line", "This line is not a JSON object.", None
        fields = cast(dict[str, Any], row)
        for name in ("custom_id", "method", "url", "body"):
            if name not in fields:
                return "missing_required_parameter", f"Missing required parameter: '{name}'.", name
        strangers = fields.keys() - {"custom_id", "method", "url", "body"}
        if strangers:
            return "unknown_parameter", f"Unknown parameter: '{min(strangers)}'.", min(strangers)
        custom_id, body = fields["custom_id"], fields["body"]
        if not isinstance(custom_id, str) or not custom_id:
            return "invalid_type", "'custom_id' has to be a non-empty string.", "custom_id"
        if custom_id in seen:
            return (
                "duplicate_custom_id",
                f"The custom_id '{custom_id}' is used by another request of this file.",
                "custom_id",
            )
        seen.add(custom_id)
        if fields["method"] != "POST":
            return "invalid_method", f"Invalid method '{fields['method']}': only POST is supported.", "method"
        if fields["url"] != ENDPOINT:
            return "invalid_url", f"The url '{fields['url']}' is not the batch's endpoint '{ENDPOINT}'.", "url"
        if not isinstance(body, dict):
            return "invalid_type", "'body' has to be an object.", "body"
        return self._model_problem(cast(dict[str, Any], body).get("model"), model)

    def _model_problem(self, named: Any, model: Any) -> tuple[str, str, str | None] | None:
        if not isinstance(named, str):
            return "missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model"
        if self._flavour.mixed_models:
            return None
        if model is not None and named != model:
            message = f"The model '{named}' is not the model '{model}' of the requests before: one batch, one model."
            return "mismatched_model", message, "body.model"
        if ability_of(self.provider, named) is None:
            message = f"The model '{named}' does not exist or is not supported by the Batch API."
            return "model_not_found", message, "body.model"
        return None

    def read(self, batch: Batch, line: bytes) -> Row:
        row = orjson.loads(line)
        body = row["body"]
        ability = ability_of(self.provider, body["model"])
        if ability is None:
            message = f"The model `{body['model']}` does not exist or you do not have access to it."
            refusal = Refusal(404, "invalid_request_error", message, None, "model_not_found")
            return Row(row["custom_id"], body["model"], refusal=refusal)
        found = checked(lambda: refusal_of(body, ability) or asked_of(body, ability))
        if isinstance(found, Refusal):
            return Row(row["custom_id"], ability.model, refusal=found)
        return Row(row["custom_id"], ability.model, found, extra=ability.answers_as)

    def answered(self, batch: Batch, row: Row, answer: Answer) -> Written:
        if answer.finish == "overloaded":
            status = 503 if answer.noise[40] & 1 else 500
            inner = {"message": "The server had an error processing this request.", "type": "server_error",
                     "param": None, "code": None}  # fmt: skip
            return self._failed(row.custom_id, status, inner)
        body = (
            self._openai_body(batch, row, answer) if self._flavour.newer_fields else self._groq_body(batch, row, answer)
        )
        return self._line(row.custom_id, {"status_code": 200, "request_id": self._request_id(answer.noise.hex()),
                                          "body": body}, answer.noise.hex(), "succeeded")  # fmt: skip

    def _openai_body(self, batch: Batch, row: Row, answer: Answer) -> dict[str, Any]:
        refused = answer.finish == "refusal"
        return {
            "id": f"chatcmpl-{answer.noise[:15].hex()}",
            "object": "chat.completion",
            "created": int(batch.running_since),
            "model": row.extra,
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": None if refused else answer.text,
                        "refusal": answer.text if refused else None,
                        "annotations": [],
                    },
                    "logprobs": None,
                    "finish_reason": "length" if answer.finish == "length" else "stop",
                }
            ],
            "usage": {
                "prompt_tokens": answer.input_tokens,
                "completion_tokens": answer.output_tokens,
                "total_tokens": answer.input_tokens + answer.output_tokens,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": answer.reasoning_tokens,
                    "audio_tokens": 0,
                    "accepted_prediction_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
            },
            "service_tier": "default",
            "system_fingerprint": "fp_5a1dbe0f7c",
        }

    def _groq_body(self, batch: Batch, row: Row, answer: Answer) -> dict[str, Any]:
        message = {"role": "assistant", "content": answer.text}
        if answer.reasoning and row.asked is not None and row.asked.reasoning == "field":
            message["reasoning"] = answer.reasoning
        seconds = round(answer.output_tokens / 500, 4)
        return {
            "id": f"chatcmpl-{_uuid(answer.noise.hex())}",
            "object": "chat.completion",
            "created": int(batch.running_since),
            "model": row.extra,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": "length" if answer.finish == "length" else "stop",
                }
            ],
            "usage": {
                "queue_time": 0.05,
                "prompt_tokens": answer.input_tokens,
                "prompt_time": 0.02,
                "completion_tokens": answer.output_tokens,
                "completion_time": seconds,
                "total_tokens": answer.input_tokens + answer.output_tokens,
                "total_time": round(seconds + 0.02, 4),
                "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
            },
            "usage_breakdown": None,
            "system_fingerprint": "fp_6f27a1d3c9",
            "x_groq": {"id": self._request_id(answer.noise.hex())},
            "service_tier": "on_demand",
        }

    def refused(self, batch: Batch, row: Row) -> Written:
        refusal = row.refusal
        assert refusal is not None
        inner = {"message": refusal.message, "type": refusal.type, "param": refusal.param, "code": refusal.code}
        return self._failed(row.custom_id, refusal.status, inner)

    def unfinished(self, batch: Batch, row: Row) -> Written:
        cancelled = batch.cancelled is not None
        code = "batch_cancelled" if cancelled else "batch_expired"
        why = "was cancelled" if cancelled else "expired"
        line = {
            "id": f"batch_req_{_digest(row.custom_id)}",
            "custom_id": row.custom_id,
            "response": None,
            "error": {"code": code, "message": f"This request was not executed before the batch {why}."},
        }
        return Written(orjson.dumps(line) + b"\n", "cancelled" if cancelled else "expired", True)

    def result_names(self, batch: Batch) -> tuple[str, str | None]:
        return batch.details["output_file"], batch.details["error_file"]

    def _failed(self, custom_id: str, status: int, inner: dict[str, Any]) -> Written:
        digest = _digest(custom_id)
        answer = {"status_code": status, "request_id": self._request_id(digest), "body": {"error": inner}}
        return self._line(custom_id, answer, digest, "errored")

    @staticmethod
    def _line(custom_id: str, response: dict[str, Any], digest: str, fate: Any) -> Written:
        line = {"id": f"batch_req_{digest[-32:]}", "custom_id": custom_id, "response": response, "error": None}
        return Written(orjson.dumps(line) + b"\n", fate, fate != "succeeded")

    def _request_id(self, digest: str) -> str:
        return digest[-32:] if self._flavour.newer_fields else f"req_01{digest[-24:]}"


def _digest(custom_id: str) -> str:
    return hashlib.blake2b(custom_id.encode(), digest_size=16).hexdigest()


def _uuid(digest: str) -> str:
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
