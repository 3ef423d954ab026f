"""The routes of Anthropic's Messages and Message Batches APIs."""

import re
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.batch import Batch, Phase
from grabient_pipeline.sandbox.batches.cancellation import BatchCancellation
from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.creation import BatchCreation
from grabient_pipeline.sandbox.batches.direct_calls import CUSTOM_ID_HEADER
from grabient_pipeline.sandbox.batches.queues import account_of
from grabient_pipeline.sandbox.faults.corruption import UnknownRow
from grabient_pipeline.sandbox.json_values import JsonObject, as_object
from grabient_pipeline.sandbox.model_lists import ListedModel, list_models
from grabient_pipeline.sandbox.providers.anthropic.capabilities import describe_capabilities
from grabient_pipeline.sandbox.providers.anthropic.errors import deny_batches, error, error_of, queue_full
from grabient_pipeline.sandbox.providers.anthropic.json_rows import MalformedDocumentError, rows_in
from grabient_pipeline.sandbox.providers.anthropic.models import MODELS
from grabient_pipeline.sandbox.providers.anthropic.requests import AnthropicDialect
from grabient_pipeline.sandbox.responses import json_response
from grabient_pipeline.sandbox.store import StoredFile, common_prefix, now

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DAY = 86_400
_KEPT = 29 * _DAY
_MOST_BYTES_OF_A_CALL = 32 * 1024 * 1024
_LINES = ("haiku", "sonnet", "opus")
_STRANGE = UnknownRow({"result": {"type": "canceled"}}, "custom_id")


def routes(context: Context) -> list[BaseRoute]:
    """The routes below `/anthropic`."""
    api = _Api(context)
    batches = "/v1/messages/batches"
    return [
        Route("/v1/models", api.list_models, methods=["GET"]),
        Route("/v1/messages", api.call_model, methods=["POST"]),
        Route(batches, api.create, methods=["POST"]),
        Route(batches, api.list, methods=["GET"]),
        Route(batches + "/{id}", api.retrieve, methods=["GET"]),
        Route(batches + "/{id}", api.delete, methods=["DELETE"]),
        Route(batches + "/{id}/cancel", api.cancel, methods=["POST"]),
        Route(batches + "/{id}/results", api.results, methods=["GET"]),
    ]


class _Api:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._dialect = AnthropicDialect()
        self._creation = BatchCreation(context, "anthropic", self._create, self._created, error, deny_batches)

    async def call_model(self, request: Request) -> Response:
        return await self._context.direct_calls.serve(request, "anthropic", "asking", self._answer_call)

    def _answer_call(self, request: Request, body: bytes) -> Response:
        if len(body) > _MOST_BYTES_OF_A_CALL:
            return error(413, message=f"Request exceeds the maximum size of {_MOST_BYTES_OF_A_CALL} bytes")
        try:
            params = as_object(orjson.loads(body))
        except orjson.JSONDecodeError as problem:
            return error(400, message=f"The request body is not valid JSON: {problem}")
        custom_id = request.headers.get(CUSTOM_ID_HEADER, "")
        row = self._dialect.request(custom_id, params, request.headers["anthropic-version"])
        if row.rejection is not None:
            return error_of(row.rejection)
        answer = self._context.direct_calls.answer(row)
        if answer.finish == "overloaded":
            return error_of(self._dialect.rejection_of_overload(answer))
        self._context.direct_calls.bill("anthropic", row, answer)
        return _with_id(self._dialect.message(row, answer, "standard"))

    async def create(self, request: Request) -> Response:
        return await self._creation.respond(request)

    async def _create(self, request: Request) -> Batch | Response:
        body = self._store.new_upload()
        limit = self._context.limits["anthropic"].bytes
        size = 0
        with body.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    file.write(chunk)
        try:
            if size > limit:
                return error(413, message=f"Request exceeds the maximum size of {limit} bytes")
            batch, rows = await run_in_threadpool(self._read, body, request.headers["anthropic-version"])
            return self._admit(batch, rows, account_of(request))
        except _RejectedError as rejected:
            return error(400, message=str(rejected))
        finally:
            body.unlink()

    def _admit(self, batch: Batch, rows: Path, account: str) -> Batch | Response:
        full = self._context.queues.admit(batch, account)
        if full is not None:
            rows.unlink()
            return queue_full(full, account)
        size = rows.stat().st_size
        self._store.add_file(StoredFile("anthropic", batch.input, batch.id, "batch", size, batch.created), rows)
        return self._context.add_batch(batch)

    def _read(self, body: Path, version: str) -> tuple[Batch, Path]:
        """Check the requests as far as creation does; returns the batch and the file with its requests as lines."""
        batch_id = f"msgbatch_{secrets.token_hex(12)}"
        most = self._context.limits["anthropic"].requests
        rows = self._store.new_upload()
        seen: set[str] = set()
        prefix: str | None = None
        model = ""
        try:
            with rows.open("wb", buffering=1 << 20) as lines:
                for index, raw in enumerate(rows_in(body, "requests")):
                    custom_id, params = _read_request(index, raw, seen)
                    prefix = common_prefix(prefix, custom_id)
                    model = model or str(params.get("model", ""))
                    lines.write(raw if b"\n" not in raw else orjson.dumps(orjson.loads(raw)))
                    lines.write(b"\n")
                    if len(seen) > most:
                        raise _RejectedError(f"requests: List should have at most {most} items after validation")
            if not seen:
                raise _RejectedError("requests: List should have at least 1 item after validation, not 0")
        except MalformedDocumentError as problem:
            rows.unlink()
            raise _RejectedError(f"The request body is not valid JSON: {problem}") from problem
        except _RejectedError:
            rows.unlink()
            raise
        batch = Batch("anthropic", batch_id, now(), 0.0, len(seen), model, f"{batch_id}-input")
        batch.details = {"version": version}
        batch.custom_id_prefix = prefix or ""
        return batch, rows

    async def retrieve(self, request: Request) -> Response:
        batch = self._context.find_batch("anthropic", request.path_params["id"])
        return _with_id(self._status_document(request, batch)) if batch else self._unknown(request)

    async def list(self, request: Request) -> Response:
        known = self._context.list_batches("anthropic")
        return self._page(request, known, "Batch", lambda batch: self._document(request, batch))

    async def list_models(self, request: Request) -> Response:
        wanted = request.query_params.getlist("lifecycle[]") or ["active", "deprecated"]
        unknown = set(wanted) - {"active", "deprecated", "retired"}
        if unknown:
            return error(400, message="lifecycle: Input should be 'active', 'deprecated' or 'retired'")
        known = [model for model in list_models(self._context, "anthropic", MODELS) if model.state in wanted]
        return self._page(request, known, "Model", self._model_document)

    def _page(
        self, request: Request, known: Sequence[Any], kind: str, describe: Callable[[Any], dict[str, Any]]
    ) -> Response:
        """A page of a list whose members have ids."""
        query = request.query_params
        limit = query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 1000:
            return error(400, message="limit: Input should be between 1 and 1000")
        size = self._context.page_size("anthropic", int(limit))
        ids = [member.id for member in known]
        cursors = {name: self._context.place_of(query[name]) for name in ("after_id", "before_id") if name in query}
        for name, place in cursors.items():
            if place not in ids:
                return error(400, message=f"{name}: {kind} not found")
        further = self._context.empty_page("anthropic", query.get("after_id", ""))
        if further is not None:
            return json_response({"data": [], "has_more": True, "first_id": None, "last_id": further})
        if "before_id" in cursors:
            newer = known[: ids.index(cursors["before_id"])]
            page, more = newer[-size:], len(newer) > size
        else:
            older = known[ids.index(cursors["after_id"]) + 1 :] if "after_id" in cursors else known
            page, more = older[:size], len(older) > size
        data = [describe(member) for member in page]
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return json_response({"data": data, "has_more": more, "first_id": first, "last_id": last})

    async def cancel(self, request: Request) -> Response:
        batch = self._batch(request)
        if batch is None:
            return self._unknown(request)
        cancellation = BatchCancellation(
            _reject_cancellation,
            lambda batch: _with_id(self._document(request, batch)),
            error,
        )
        return await cancellation.respond(self._context, batch)

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

    def _created(self, request: Request, batch: Batch) -> Response:
        return _with_id(self._document(request, batch, Phase.VALIDATING))

    def _status_document(self, request: Request, batch: Batch) -> JsonObject:
        """The document of a batch, altered by the armed faults."""
        document = self._document(request, batch)
        faults = self._context.faults
        if document["processing_status"] == "ended" and faults.take("nothing_counted", "anthropic"):
            document["results_url"] = None
            document["request_counts"] = dict.fromkeys(document["request_counts"], 0)
        elif document["results_url"] is not None:
            foreign = faults.take("foreign_results_url", "anthropic")
            if foreign is not None:
                document["results_url"] = self._results_url(batch, f"http://{foreign['host']}")
            if faults.take("no_output_file", "anthropic"):
                document["results_url"] = None
            if faults.take("results_gone", "anthropic"):
                document["results_url"] = None
                document["archived_at"] = self._time(batch.created + _KEPT)
        unknown = faults.take("unknown_state", "anthropic")
        if unknown is not None:
            document["processing_status"] = unknown["word"]
        if faults.take("counts_as_strings", "anthropic"):
            document["request_counts"] = {name: str(count) for name, count in document["request_counts"].items()}
        return document

    def _document(self, request: Request, batch: Batch, phase: Phase | None = None) -> dict[str, Any]:
        phase = phase or batch.phase(now())
        counts = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        outcome = batch.outcome
        ended = phase.ended
        if ended and outcome is not None:
            counts["succeeded"], counts["errored"] = outcome.succeeded, outcome.errored
            counts["canceled"], counts["expired"] = outcome.cancelled, outcome.expired
        else:
            # Nothing else is counted before the whole batch has ended.
            counts["processing"] = batch.request_count
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "canceling" if phase is Phase.CANCELLING else "in_progress",
            "request_counts": counts,
            "created_at": self._time(batch.created),
            "expires_at": self._time(batch.created + _DAY),
            "ended_at": self._time(batch.ended_at) if ended else None,
            "cancel_initiated_at": None if batch.cancelled is None else self._time(batch.cancelled),
            "archived_at": None,
            "results_url": self._results_url(batch, _origin(request)) if ended else None,
        }

    def _model_document(self, model: ListedModel) -> dict[str, Any]:
        has_end = model.state != "active" and model.ends_on is not None
        # The day is the one on which requests begin to fail.
        return {
            "type": "model",
            "id": model.id,
            "display_name": " ".join(word.capitalize() for word in model.id.split("-")),
            "created_at": self._time(model.released),
            "lifecycle": model.state,
            # The sandbox knows no day of an announcement.
            "deprecated_at": None,
            "retires_at": f"{model.ends_on}T00:00:00Z" if has_end else None,
            "line": next((line for line in _LINES if line in model.id), None),
            "max_input_tokens": None,
            "max_tokens": model.capabilities.max_output_tokens if model.capabilities else None,
            "capabilities": describe_capabilities(model.capabilities) if model.capabilities else None,
        }

    def _time(self, moment: float) -> str:
        return datetime.fromtimestamp(self._context.stated_time("anthropic", moment), UTC).isoformat()

    @staticmethod
    def _results_url(batch: Batch, origin: str) -> str:
        return f"{origin}/anthropic/v1/messages/batches/{batch.id}/results"


def _reject_cancellation(batch: Batch, phase: Phase) -> Response:
    why = "it has already ended" if phase.ended else "it is already being canceled"
    return error(400, message=f"Batch {batch.id} cannot be canceled because {why}")


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers['host']}"


def _with_id(document: JsonObject) -> Response:
    return json_response(document, 200, {"request-id": f"req_{secrets.token_hex(12)}"})


class _RejectedError(ValueError):
    """A batch is rejected at its creation."""


def _read_request(index: int, raw: bytes, seen: set[str]) -> tuple[str, dict[str, Any]]:
    """The custom id and parameters of one request, checked as far as creation does."""
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise _RejectedError(f"The request body is not valid JSON: {problem}") from problem
    for name in ("custom_id", "params"):
        if name not in row:
            raise _RejectedError(f"requests.{index}.{name}: Field required")
    unknown = row.keys() - {"custom_id", "params"}
    if unknown:
        raise _RejectedError(f"requests.{index}.{min(unknown)}: Extra inputs are not permitted")
    custom_id, params = row["custom_id"], row["params"]
    if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
        raise _RejectedError(f"requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if custom_id in seen:
        raise _RejectedError(f"requests: custom_id values must be unique; {custom_id} is used more than once")
    if not isinstance(params, dict):
        raise _RejectedError(f"requests.{index}.params: Input should be a valid dictionary")
    seen.add(custom_id)
    return custom_id, cast(dict[str, Any], params)
