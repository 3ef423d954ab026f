"""The routes of chat completions, files and batches, which OpenAI and Groq have in common."""

import secrets
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.dialect import Row
from grabient_pipeline.sandbox.batches.direct_calls import CUSTOM_ID_HEADER
from grabient_pipeline.sandbox.faults.failed_generation import STATUS, failed_generation
from grabient_pipeline.sandbox.faults.registry import Call
from grabient_pipeline.sandbox.json_values import as_object
from grabient_pipeline.sandbox.model_lists import ListedModel, list_models
from grabient_pipeline.sandbox.providers.openai.batches import Batches
from grabient_pipeline.sandbox.providers.openai.errors import error, error_of
from grabient_pipeline.sandbox.providers.openai.files import Files
from grabient_pipeline.sandbox.providers.openai.flavour import ChatFlavour
from grabient_pipeline.sandbox.providers.openai.request_checks import refused_tier
from grabient_pipeline.sandbox.providers.openai.requests import ChatDialect
from grabient_pipeline.sandbox.responses import json_response
from grabient_pipeline.sandbox.store import now

CALLS: dict[str, Call] = {"cancel": "cancelling", "/batches": "creating", "/chat/completions": "asking"}
DOWNLOADS = ("/content",)
# Of every model of Groq in the sandbox.
_CONTEXT_WINDOW = 131_072
_MOST_BYTES_PER_CALL = 32 * 1024 * 1024


def chat_routes(context: Context, dialect: ChatDialect) -> list[BaseRoute]:
    """The routes below a provider's base path."""
    calls, files, batches = _Calls(context, dialect), Files(context, dialect.flavour), Batches(context, dialect.flavour)
    return [
        Route("/models", partial(_list_models, context, dialect.flavour), methods=["GET"]),
        Route("/chat/completions", calls.call_model, methods=["POST"]),
        Route("/files", files.upload, methods=["POST"]),
        Route("/files", files.list_files, methods=["GET"]),
        Route("/files/{id}", files.file, methods=["GET"]),
        Route("/files/{id}", files.delete_file, methods=["DELETE"]),
        Route("/files/{id}/content", files.content, methods=["GET"]),
        Route("/batches", batches.create, methods=["POST"]),
        Route("/batches", batches.list_batches, methods=["GET"]),
        Route("/batches/{id}", batches.retrieve, methods=["GET"]),
        Route("/batches/{id}/cancel", batches.cancel, methods=["POST"]),
    ]


async def _list_models(context: Context, flavour: ChatFlavour, _: Request) -> Response:
    """The list of models, which has no pages."""
    listed = list_models(context, flavour.provider, flavour.models, flavour.embedding_models)
    data = [_describe(flavour, model) for model in listed if model.state != "retired"]
    return json_response({"object": "list", "data": data})


def _describe(flavour: ChatFlavour, model: ListedModel) -> dict[str, Any]:
    document: dict[str, Any] = {"id": model.id, "object": "model", "created": model.released}
    if not flavour.lists_activity:
        return {**document, "owned_by": "system", "shutdown_date": model.ends_on}
    return {
        **document,
        "owned_by": model.id.partition("/")[0] if "/" in model.id else "Meta",
        "active": model.state == "active",
        "context_window": _CONTEXT_WINDOW,
        "public_apps": None,
        "max_completion_tokens": model.capabilities.max_output_tokens if model.capabilities else _CONTEXT_WINDOW,
    }


class _Calls:
    """Ordinary calls."""

    def __init__(self, context: Context, dialect: ChatDialect) -> None:
        self._context = context
        self._dialect = dialect
        self._provider = dialect.flavour.provider

    async def call_model(self, request: Request) -> Response:
        return await self._context.direct_calls.serve(request, self._provider, "asking", self._answer_call)

    def _unserved_tier(self, row: Row) -> Response | None:
        """The response of an armed fault to a call that asks for flex, or None."""
        if row.service_tier != "flex":
            return None
        faults = self._context.faults
        if faults.take("flex_refused", self._provider) is not None:
            return error_of(refused_tier(row.service_tier, row.model))
        full = faults.take("flex_full", self._provider)
        if full is None:
            return None
        message = (
            "Resource unavailable: there is no capacity for flex processing at the moment. Please try again later."
        )
        return error(429, "resource_unavailable", message, code="resource_unavailable", retry_after=full["retry_after"])

    def _answer_call(self, request: Request, content: bytes) -> Response:
        if len(content) > _MOST_BYTES_PER_CALL:
            return error(413, message=f"Request too large: the limit is {_MOST_BYTES_PER_CALL} bytes.")
        try:
            body = as_object(orjson.loads(content))
        except orjson.JSONDecodeError:
            return error(400, message="We could not parse the JSON body of your request.")
        if not isinstance(body.get("model"), str):
            return error(400, message="you must provide a model parameter")
        row = self._dialect.request(request.headers.get(CUSTOM_ID_HEADER, ""), body)
        if row.rejection is not None:
            return error_of(row.rejection)
        unserved = self._unserved_tier(row)
        if unserved is not None:
            return unserved
        answer = self._context.direct_calls.answer(row)
        if answer.finish == "overloaded":
            return error_of(self._dialect.rejection_of_overload(answer))
        self._context.direct_calls.bill(self._provider, row, answer)
        headers = {"x-request-id": f"req_{secrets.token_hex(16)}"}
        failed = self._context.faults.take("failed_generation_answer", self._provider)
        if failed is not None:
            return json_response(failed_generation(answer, readable=failed["readable"]), STATUS, headers)
        moment = self._context.stated_time(self._provider, now())
        return json_response(self._dialect.completion(row, answer, moment), 200, headers)
