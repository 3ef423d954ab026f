"""Anthropic's Messages and Message Batches APIs."""

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.abilities import LIMITS
from grabient_pipeline.sandbox.anthropic_rows import ERROR_TYPES, AnthropicDialect
from grabient_pipeline.sandbox.cancelling import cancelled
from grabient_pipeline.sandbox.context import KEY_PREFIX, Context, json_response, later
from grabient_pipeline.sandbox.creating import Creation
from grabient_pipeline.sandbox.desk import CUSTOM_ID_HEADER
from grabient_pipeline.sandbox.documents import JsonObject, as_object
from grabient_pipeline.sandbox.json_rows import MalformedDocumentError, rows_in
from grabient_pipeline.sandbox.production import Refusal
from grabient_pipeline.sandbox.spoiling import StrangeRow
from grabient_pipeline.sandbox.store import Batch, Phase, StoredFile, common_prefix, now

VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DAY = 86_400
_KEPT = 29 * _DAY
_MOST_BYTES_OF_A_CALL = 32 * 1024 * 1024
_STRANGE = StrangeRow({"result": {"type": "canceled"}}, "custom_id")


def error(status: int, type_: str = "", message: str = "", *, retry_after: float | None = None) -> Response:
    """An error answer in Anthropic's form."""
    request_id = f"req_{secrets.token_hex(12)}"
    kind = type_ or ERROR_TYPES.get(status, "api_error")
    document = {
        "type": "error",
        "error": {"type": kind, "message": message or kind.replace("_", " ").capitalize()},
        "request_id": request_id,
    }
    return json_response(document, status, {"request-id": request_id, **later(retry_after)})


def denied(status: int | None) -> Response:
    """The answer to an account without access to batches."""
    return error(status or 403, message="Your account does not have access to the Message Batches API.")


def routes(context: Context) -> list[BaseRoute]:
    """Everything under `/anthropic`."""
    api = _Api(context)
    batches = "/v1/messages/batches"
    return [
        Route("/v1/messages", api.ask, methods=["POST"]),
        Route(batches, api.create, methods=["POST"]),
        Route(batches, api.list, methods=["GET"]),
        Route(batches + "/{id}", api.retrieve, methods=["GET"]),
        Route(batches + "/{id}", api.delete, methods=["DELETE"]),
        Route(batches + "/{id}/cancel", api.cancel, methods=["POST"]),
        Route(batches + "/{id}/results", api.results, methods=["GET"]),
    ]


def refused_call(request: Request) -> Response | None:
    """The answer to a call without a valid key or version, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        key = request.headers.get("x-api-key", "")
    if not key:
        return error(401, message="x-api-key header is required")
    if not key.startswith(KEY_PREFIX):
        return error(401, message="invalid x-api-key")
    version = request.headers.get("anthropic-version")
    if version is None:
        return error(400, message="anthropic-version: header is required")
    if version not in VERSIONS:
        return error(400, message=f'anthropic-version: "{version}" is not a valid version')
    return None


class _Api:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._dialect = AnthropicDialect()
        self._creation = Creation(context, "anthropic", self._create, self._answer, error, denied)

    async def ask(self, request: Request) -> Response:
        return await self._context.desk.serve(request, "anthropic", "asking", self._ask)

    def _ask(self, request: Request, body: bytes) -> Response:
        if len(body) > _MOST_BYTES_OF_A_CALL:
            return error(413, message=f"Request exceeds the maximum size of {_MOST_BYTES_OF_A_CALL} bytes")
        try:
            params = as_object(orjson.loads(body))
        except orjson.JSONDecodeError as problem:
            return error(400, message=f"The request body is not valid JSON: {problem}")
        custom_id = request.headers.get(CUSTOM_ID_HEADER, "")
        row = self._dialect.request(custom_id, params, request.headers["anthropic-version"])
        if row.refusal is not None:
            return _refused(row.refusal)
        answer = self._context.desk.answer(row)
        if answer.finish == "overloaded":
            return _refused(self._dialect.overload(answer))
        self._context.desk.bill("anthropic", row, answer)
        return _with_id(self._dialect.message(row, answer, "standard"))

    async def create(self, request: Request) -> Response:
        return await self._creation.answer(request)

    async def _create(self, request: Request) -> Batch | Response:
        body = self._store.new_upload()
        limit = LIMITS["anthropic"].bytes
        size = 0
        with body.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    file.write(chunk)
        try:
            if size > limit:
                return error(413, message=f"Request exceeds the maximum size of {limit} bytes")
            return await run_in_threadpool(self._take, body, request.headers["anthropic-version"])
        except _RefusedError as refused:
            return error(400, message=str(refused))
        finally:
            body.unlink()

    def _take(self, body: Path, version: str) -> Batch:
        """Check the requests as far as creation does, and keep them a line each."""
        batch_id = f"msgbatch_{secrets.token_hex(12)}"
        rows = self._store.new_upload()
        seen: set[str] = set()
        prefix: str | None = None
        model = ""
        try:
            with rows.open("wb", buffering=1 << 20) as lines:
                for index, raw in enumerate(rows_in(body, "requests")):
                    custom_id, params = _checked(index, raw, seen)
                    prefix = common_prefix(prefix, custom_id)
                    model = model or str(params.get("model", ""))
                    lines.write(raw if b"\n" not in raw else orjson.dumps(orjson.loads(raw)))
                    lines.write(b"\n")
                    if len(seen) > LIMITS["anthropic"].requests:
                        raise _RefusedError(
                            f"requests: List should have at most {LIMITS['anthropic'].requests} items after validation"
                        )
            if not seen:
                raise _RefusedError("requests: List should have at least 1 item after validation, not 0")
        except MalformedDocumentError as problem:
            rows.unlink()
            raise _RefusedError(f"The request body is not valid JSON: {problem}") from problem
        except _RefusedError:
            rows.unlink()
            raise
        moment = now()
        stored = StoredFile("anthropic", f"{batch_id}-input", batch_id, "batch", rows.stat().st_size, moment)
        self._store.add_file(stored, rows)
        batch = Batch("anthropic", batch_id, moment, 0.0, len(seen), model, stored.id)
        batch.details = {"version": version}
        batch.custom_id_prefix = prefix or ""
        return self._context.add_batch(batch)

    async def retrieve(self, request: Request) -> Response:
        batch = self._context.asked_for("anthropic", request.path_params["id"])
        return _with_id(self._told(request, batch)) if batch else self._unknown(request)

    async def list(self, request: Request) -> Response:
        query = request.query_params
        limit = query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 1000:
            return error(400, message="limit: Input should be between 1 and 1000")
        size = self._context.page_size("anthropic", int(limit))
        known = self._context.listed("anthropic")
        ids = [batch.id for batch in known]
        cursors = {name: self._context.place_of(query[name]) for name in ("after_id", "before_id") if name in query}
        for name, place in cursors.items():
            if place not in ids:
                return error(400, message=f"{name}: Batch not found")
        further = self._context.empty_page("anthropic", query.get("after_id", ""))
        if further is not None:
            return json_response({"data": [], "has_more": True, "first_id": None, "last_id": further})
        if "before_id" in cursors:
            newer = known[: ids.index(cursors["before_id"])]
            page, more = newer[-size:], len(newer) > size
        else:
            older = known[ids.index(cursors["after_id"]) + 1 :] if "after_id" in cursors else known
            page, more = older[:size], len(older) > size
        data = [self._document(request, batch) for batch in page]
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return json_response({"data": data, "has_more": more, "first_id": first, "last_id": last})

    async def cancel(self, request: Request) -> Response:
        batch = self._batch(request)
        if batch is None:
            return self._unknown(request)
        message = f"Batch {batch.id} cannot be canceled because it has already ended"
        return await cancelled(
            self._context,
            batch,
            lambda _: error(400, message=message),
            lambda: self._answer(request, batch),
            error,
        )

    async def delete(self, request: Request) -> Response:
        batch = self._batch(request)
        if batch is None:
            return self._unknown(request)
        if not batch.phase(now()).ended:
            return error(400, message=f"Batch {batch.id} is still in progress; cancel it first")
        batch.deleted = True
        self._store.save_batch(batch)
        return json_response({"id": batch.id, "type": "message_batch_deleted"})

    async def results(self, request: Request) -> Response:
        batch = self._batch(request)
        if batch is None:
            return self._unknown(request)
        if not batch.phase(now()).ended or batch.outcome is None or batch.outcome.output_file is None:
            return error(404, message=f"The results of batch {batch.id} are not available yet")
        gone = self._context.faults.take("results_gone", "anthropic")
        if gone is not None:
            return error(gone["status"], "not_found_error", f"The results of batch {batch.id} are no longer available")
        path = self._store.content("anthropic", batch.outcome.output_file)
        return self._context.results("anthropic", path, "application/x-jsonl", _STRANGE)

    def _batch(self, request: Request) -> Batch | None:
        return self._store.batch("anthropic", request.path_params["id"])

    @staticmethod
    def _unknown(request: Request) -> Response:
        return error(404, message=f"Message Batch {request.path_params['id']} not found")

    def _answer(self, request: Request, batch: Batch) -> Response:
        return _with_id(self._document(request, batch))

    def _told(self, request: Request, batch: Batch) -> JsonObject:
        """What is told of a batch, with everything that is armed."""
        document = self._document(request, batch)
        faults = self._context.faults
        if document["results_url"] is not None:
            foreign = faults.take("foreign_results_url", "anthropic")
            if foreign is not None:
                document["results_url"] = self._results_url(batch, f"http://{foreign['host']}")
            if faults.take("no_output_file", "anthropic"):
                document["results_url"] = None
            if faults.take("results_gone", "anthropic"):
                document["results_url"] = None
                document["archived_at"] = _time(batch.created + _KEPT)
        unknown = faults.take("unknown_state", "anthropic")
        if unknown is not None:
            document["processing_status"] = unknown["word"]
        if faults.take("counts_as_strings", "anthropic"):
            document["request_counts"] = {name: str(count) for name, count in document["request_counts"].items()}
        return document

    def _document(self, request: Request, batch: Batch) -> dict[str, Any]:
        phase = batch.phase(now())
        counts = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        outcome = batch.outcome
        ended = phase.ended
        if ended and outcome is not None:
            counts["succeeded"], counts["errored"] = outcome.succeeded, outcome.errored
            counts["canceled"], counts["expired"] = outcome.cancelled, outcome.expired
        else:
            # Nothing but this is counted before the whole batch has ended.
            counts["processing"] = batch.request_count
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "canceling" if phase is Phase.CANCELLING else "in_progress",
            "request_counts": counts,
            "created_at": _time(batch.created),
            "expires_at": _time(batch.created + _DAY),
            "ended_at": _time(batch.ended_at) if ended else None,
            "cancel_initiated_at": None if batch.cancelled is None else _time(batch.cancelled),
            "archived_at": None,
            "results_url": self._results_url(batch, _origin(request)) if ended else None,
        }

    @staticmethod
    def _results_url(batch: Batch, origin: str) -> str:
        return f"{origin}/anthropic/v1/messages/batches/{batch.id}/results"


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers['host']}"


def _with_id(document: JsonObject) -> Response:
    return json_response(document, 200, {"request-id": f"req_{secrets.token_hex(12)}"})


def _refused(refusal: Refusal) -> Response:
    return error(refusal.status, refusal.type, refusal.message)


class _RefusedError(ValueError):
    """A batch that is refused at creation."""


def _checked(index: int, raw: bytes, seen: set[str]) -> tuple[str, dict[str, Any]]:
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise _RefusedError(f"The request body is not valid JSON: {problem}") from problem
    for name in ("custom_id", "params"):
        if name not in row:
            raise _RefusedError(f"requests.{index}.{name}: Field required")
    strangers = row.keys() - {"custom_id", "params"}
    if strangers:
        raise _RefusedError(f"requests.{index}.{min(strangers)}: Extra inputs are not permitted")
    custom_id, params = row["custom_id"], row["params"]
    if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
        raise _RefusedError(f"requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if custom_id in seen:
        raise _RefusedError(f"requests: custom_id values must be unique; {custom_id} is used more than once")
    if not isinstance(params, dict):
        raise _RefusedError(f"requests.{index}.params: Input should be a valid dictionary")
    seen.add(custom_id)
    return custom_id, cast(dict[str, Any], params)


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
