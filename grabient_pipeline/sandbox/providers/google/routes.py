"""The routes of the Gemini API: ordinary calls and batches. Files are in `files.py`."""

import re
import secrets
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.batch import Batch, Phase
from grabient_pipeline.sandbox.batches.cancellation import BatchCancellation
from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.creation import BatchCreation
from grabient_pipeline.sandbox.batches.direct_calls import CUSTOM_ID_HEADER
from grabient_pipeline.sandbox.batches.queues import account_of
from grabient_pipeline.sandbox.batches.tokens import TokenCounter
from grabient_pipeline.sandbox.json_values import JsonObject, as_object, object_in, objects_in
from grabient_pipeline.sandbox.model_lists import ListedModel, list_models
from grabient_pipeline.sandbox.providers.google.embeddings import embedding_routes
from grabient_pipeline.sandbox.providers.google.errors import (
    deny_batches,
    error,
    error_of,
    no_batch,
    no_file,
    no_model,
    queue_full,
    too_large,
)
from grabient_pipeline.sandbox.providers.google.files import Files
from grabient_pipeline.sandbox.providers.google.models import EMBEDDING_MODELS, INLINE_BYTES, MODELS, VERSION
from grabient_pipeline.sandbox.providers.google.operations import (
    ID_LETTERS,
    describe,
    foreign_operation,
    forget_results,
    poison,
    state_of,
)
from grabient_pipeline.sandbox.providers.google.pages import find_page
from grabient_pipeline.sandbox.providers.google.request_checks import camel_keys, unknown_name
from grabient_pipeline.sandbox.providers.google.requests import GeminiDialect
from grabient_pipeline.sandbox.responses import json_response
from grabient_pipeline.sandbox.store import StoredFile, common_prefix, lines_of, now

# Of every model of Google in the sandbox.
_INPUT_TOKENS = 1_048_576
_KEY = re.compile(rb'"key"\s*:\s*"([^"\\]*)"')


def routes(context: Context) -> list[BaseRoute]:
    """The routes below `/google`."""
    calls, files, batches = _Calls(context), Files(context), _Batches(context)
    base = f"/{VERSION}"
    return [
        Route(f"/upload/{VERSION}/files", files.upload_start, methods=["POST"]),
        Route(f"/upload/{VERSION}/files/{{session}}", files.upload_chunk, methods=["POST", "PUT"]),
        Route(base + "/files", files.list_files, methods=["GET"]),
        Route(base + "/files/{id}:download", files.download, methods=["GET"]),
        Route(base + "/files/{id}", files.file, methods=["GET"]),
        Route(base + "/files/{id}", files.delete_file, methods=["DELETE"]),
        Route(base + "/models", partial(_list_models, context), methods=["GET"]),
        Route(base + "/models/{model}:generateContent", calls.call_model, methods=["POST"]),
        Route(base + "/models/{model}:batchGenerateContent", batches.create, methods=["POST"]),
        Route(base + "/batches", batches.list_batches, methods=["GET"]),
        Route(base + "/batches/{id}:cancel", batches.cancel, methods=["POST"]),
        Route(base + "/batches/{id}", batches.retrieve, methods=["GET"]),
        Route(base + "/batches/{id}", batches.delete, methods=["DELETE"]),
        *embedding_routes(context),
    ]


async def _list_models(context: Context, request: Request) -> Response:
    listed = list_models(context, "google", MODELS, EMBEDDING_MODELS)
    page = find_page(context, request, [model for model in listed if model.state != "retired"], 50, 1000)
    if isinstance(page, Response):
        return page
    return json_response({"models": [_describe_model(model) for model in page[0]]} | page[1])


def _describe_model(model: ListedModel) -> dict[str, Any]:
    """A model in the list, which says nothing of its end."""
    document: dict[str, Any] = {
        "name": f"models/{model.id}",
        "version": "001",
        "displayName": " ".join(word.capitalize() for word in model.id.split("-")),
    }
    if model.capabilities is None:
        return {**document, "supportedGenerationMethods": ["embedContent", "batchEmbedContents"]}
    return {
        **document,
        "inputTokenLimit": _INPUT_TOKENS,
        "outputTokenLimit": model.capabilities.max_output_tokens,
        "supportedGenerationMethods": ["generateContent", "batchGenerateContent"],
        **({"thinking": True} if model.capabilities.thinking != "none" else {}),
    }


class _Calls:
    """Ordinary calls."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._dialect = GeminiDialect()

    async def call_model(self, request: Request) -> Response:
        return await self._context.direct_calls.serve(request, "google", "asking", self._answer_call)

    def _answer_call(self, request: Request, body: bytes) -> Response:
        model = request.path_params["model"]
        if model not in MODELS:
            return no_model(model, "generateContent")
        if len(body) > INLINE_BYTES:
            return too_large()
        try:
            document = as_object(orjson.loads(body))
        except orjson.JSONDecodeError:
            return error(400, message="Invalid JSON payload received.")
        row = self._dialect.request(request.headers.get(CUSTOM_ID_HEADER, ""), model, document)
        if row.rejection is not None:
            return error_of(row.rejection)
        answer = self._context.direct_calls.answer(row)
        if answer.finish == "overloaded":
            return error_of(self._dialect.rejection_of_overload(answer))
        # Formatting the response reduces the tokens of a blocked prompt, so it comes before billing.
        response = self._dialect.response(row, answer)
        self._context.direct_calls.bill("google", row, answer)
        return json_response(response)


class _Batches:
    """Batches. Google hands nothing out of a batch that was cancelled or expired, and bills nothing for it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._creation = BatchCreation(context, "google", self._create, self._created, error, deny_batches)
        self._cancellation = BatchCancellation(
            _reject_cancellation, lambda _: json_response({}), error, keeps_finished=False
        )

    async def create(self, request: Request) -> Response:
        return await self._creation.respond(request)

    async def _create(self, request: Request) -> Batch | Response:
        model = request.path_params["model"]
        if model not in MODELS:
            return no_model(model, "batchGenerateContent")
        body = await request.body()
        if len(body) > INLINE_BYTES:
            return too_large()
        try:
            document = as_object(orjson.loads(body))
        except orjson.JSONDecodeError:
            return error(400, message="Invalid JSON payload received.")
        wanted = camel_keys(object_in(document, "batch"))
        unknown = (document.keys() - {"batch"}) | (
            wanted.keys() - {"displayName", "inputConfig", "model", "webhookConfig", "priority", "name"}
        )
        if unknown:
            return _unknown_name(min(unknown), "batch")
        config = camel_keys(object_in(wanted, "inputConfig"))
        if ("fileName" in config) == ("requests" in config):
            return error(400, message="Exactly one of batch.input_config.file_name and requests is needed.")
        if "fileName" in config:
            source = self._uploaded(str(config["fileName"]))
        else:
            source = self._inline(config["requests"])
        if isinstance(source, Response):
            return source
        batch = self._make(model, str(wanted.get("displayName") or ""), source, "requests" in config)
        full = self._context.queues.admit(batch, account_of(request))
        if full is not None:
            return queue_full(full)
        return self._context.add_batch(batch, keeps_finished=False)

    def _uploaded(self, file_name: str) -> StoredFile | Response:
        name = file_name.removeprefix("files/")
        stored = self._store.file("google", name)
        if stored is None or stored.purpose != "batch":
            return no_file(name)
        return stored

    def _inline(self, requests: Any) -> StoredFile | Response:
        rows = objects_in(camel_keys(as_object(requests)), "requests")
        if not rows:
            return error(400, message="batch.input_config.requests.requests must not be empty.")
        for place, row in enumerate(rows):
            unknown = row.keys() - {"request", "metadata"}
            if unknown:
                return _unknown_name(min(unknown), f"batch.input_config.requests.requests[{place}]")
        content = self._store.new_upload()
        with content.open("wb") as file:
            for row in rows:
                file.write(orjson.dumps(row) + b"\n")
        # A file without a name is not visible to clients.
        stored = StoredFile("google", f"inline-{secrets.token_hex(12)}", "", "inline", content.stat().st_size, now())
        return self._store.add_file(stored, content)

    def _make(self, model: str, display_name: str, source: StoredFile, inline: bool) -> Batch:
        batch_id = "".join(secrets.choice(ID_LETTERS) for _ in range(40))
        count = 0
        capabilities = MODELS.get(model)
        rule = capabilities.images if capabilities else None
        counter = TokenCounter(
            counts_output=self._context.queues.counts_output("google"), picture_rule=lambda line: rule
        )
        prefix: str | None = None
        for line in lines_of(self._store.content("google", source.id)):
            count += 1
            found = _KEY.search(line)
            counter.add(line, found.end() if found else 0)
            if found:
                prefix = common_prefix(prefix, found.group(1).decode(errors="replace"))
        batch = Batch("google", batch_id, now(), 0.0, count, model, source.id)
        batch.details = {"display_name": display_name, "inline": inline, "output_file": f"batch-{batch_id}"}
        batch.custom_id_prefix = prefix or ""
        batch.tokens = counter.total
        return batch

    def _created(self, request: Request, batch: Batch) -> Response:
        return json_response(describe(self._context, batch, Phase.VALIDATING))

    async def retrieve(self, request: Request) -> Response:
        batch = self._context.find_batch("google", request.path_params["id"])
        return json_response(self._status_document(batch)) if batch else no_batch(request)

    async def list_batches(self, request: Request) -> Response:
        if request.query_params.get("filter"):
            return error(400, message="Filtering is not supported.")
        page = find_page(self._context, request, self._context.list_batches("google"), 50, 100)
        if isinstance(page, Response):
            return page
        poisoned = self._context.faults.take("poisoned", "google") is not None
        # Unless armed otherwise, lists leave inline answers out.
        operations = [describe(self._context, batch, listed=not poisoned) for batch in page[0]]
        if poisoned:
            operations = poison([*operations, foreign_operation(self._context)])
        return json_response(({"operations": operations} if operations else {}) | page[1])

    async def cancel(self, request: Request) -> Response:
        batch = self._store.batch("google", request.path_params["id"])
        if batch is None:
            return no_batch(request)
        return await self._cancellation.respond(self._context, batch)

    async def delete(self, request: Request) -> Response:
        batch = self._store.batch("google", request.path_params["id"])
        if batch is None:
            return no_batch(request)
        batch.deleted = True
        self._store.save_batch(batch)
        return json_response({})

    def _status_document(self, batch: Batch) -> JsonObject:
        """The operation of a batch, altered by the armed faults."""
        operation = describe(self._context, batch)
        metadata, faults = operation["metadata"], self._context.faults
        if operation.get("done") and faults.take("nothing_counted", "google"):
            forget_results(operation)
        if "output" in metadata and faults.take("no_output_file", "google"):
            del metadata["output"], operation["response"]
        if faults.take("poisoned", "google"):
            operation = poison([operation])[0]
        unknown = faults.take("unknown_state", "google")
        if unknown is not None:
            metadata["state"] = "BATCH_STATE_" + unknown["word"].upper()
        if faults.take("no_counts", "google"):
            del metadata["batchStats"]
        return operation


def _reject_cancellation(_: Batch, phase: Phase) -> Response:
    message = f"The batch is in state {state_of(phase)} and cannot be cancelled."
    return error(400, "FAILED_PRECONDITION", message)


def _unknown_name(name: str, where: str) -> Response:
    return error(400, message=unknown_name(name, where))
