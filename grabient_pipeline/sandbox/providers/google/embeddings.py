"""Google's embedding API: what it accepts and rejects, and its response."""

from collections.abc import Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.embeddings import embed, embedding_tokens
from grabient_pipeline.sandbox.capabilities import EmbeddingModel
from grabient_pipeline.sandbox.json_values import JsonObject, as_object, names_in, object_in, objects_in
from grabient_pipeline.sandbox.providers.google.errors import error, no_model
from grabient_pipeline.sandbox.providers.google.models import EMBEDDING_MODELS, VERSION
from grabient_pipeline.sandbox.providers.google.request_checks import camel_keys, text_of, unknown_name
from grabient_pipeline.sandbox.responses import json_response

_MODELS = {model.name: model for model in EMBEDDING_MODELS}
_MOST_REQUESTS = 100
_CHARACTERS_PER_TOKEN = 4
_FIELDS = names_in("model content taskType title outputDimensionality")
_TASKS = names_in(
    """
    TASK_TYPE_UNSPECIFIED RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY CLASSIFICATION CLUSTERING
    QUESTION_ANSWERING FACT_VERIFICATION CODE_RETRIEVAL_QUERY
    """
)


def embedding_routes(context: Context) -> list[BaseRoute]:
    """The routes below `/google`."""
    api = _Embeddings(context)

    def route(method: str, answer: Callable[[Request, bytes], Response]) -> BaseRoute:
        async def embeddings(request: Request) -> Response:
            return await context.direct_calls.serve(request, "google", "embedding", answer)

        return Route(f"/{VERSION}/models/{{model}}:{method}", embeddings, methods=["POST"])

    return [route("batchEmbedContents", api.answer_batch), route("embedContent", api.answer_single)]


class _Embeddings:
    def __init__(self, context: Context) -> None:
        self._context = context

    def answer_batch(self, request: Request, content: bytes) -> Response:
        model = _MODELS.get(request.path_params["model"])
        if model is None:
            return no_model(request.path_params["model"], "batchEmbedContents")
        body = _parsed(content)
        if isinstance(body, Response):
            return body
        if body.keys() != {"requests"}:
            return error(400, message=unknown_name(min(body.keys() - {"requests"}, default=""), "request"))
        rows = [camel_keys(row) for row in objects_in(body, "requests")]
        if not rows:
            return error(400, message="* BatchEmbedContentsRequest.requests: cannot be empty")
        if len(rows) > _MOST_REQUESTS:
            message = f"* BatchEmbedContentsRequest.requests: at most {_MOST_REQUESTS} requests can be in one batch"
            return error(400, message=message)
        return self._respond(model, rows, needs_model=True, single=False)

    def answer_single(self, request: Request, content: bytes) -> Response:
        model = _MODELS.get(request.path_params["model"])
        if model is None:
            return no_model(request.path_params["model"], "embedContent")
        body = _parsed(content)
        if isinstance(body, Response):
            return body
        return self._respond(model, [camel_keys(body)], needs_model=False, single=True)

    def _respond(self, model: EmbeddingModel, rows: list[JsonObject], needs_model: bool, single: bool) -> Response:
        for row in rows:
            problem = _row_problem(row, model, needs_model)
            if problem is not None:
                return error(400, message=problem)
        # Texts that are too long are cut silently.
        texts = [text_of(row["content"])[: model.most_tokens * _CHARACTERS_PER_TOKEN] for row in rows]
        tokens = [embedding_tokens(text) for text in texts]
        sizes = [row.get("outputDimensionality") or model.size for row in rows]
        vectors = embed(self._context, "google", model, texts, tokens, sizes)
        usage: JsonObject = {
            "promptTokenCount": sum(tokens),
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": sum(tokens)}],
        }
        if single:
            return json_response({"embedding": {"values": vectors[0]}, "usageMetadata": usage})
        return json_response({"embeddings": [{"values": vector} for vector in vectors], "usageMetadata": usage})


def _parsed(content: bytes) -> JsonObject | Response:
    try:
        return as_object(orjson.loads(content))
    except orjson.JSONDecodeError:
        return error(400, message="Invalid JSON payload received.")


def _row_problem(row: JsonObject, model: EmbeddingModel, needs_model: bool) -> str | None:
    unknown = row.keys() - _FIELDS
    if unknown:
        return unknown_name(min(unknown), "request")
    named = row.get("model")
    if (needs_model or named is not None) and named != f"models/{model.name}":
        return "* EmbedContentRequest.model: the model of each request has to be the one of the call."
    size = row.get("outputDimensionality")
    if size is not None and not (isinstance(size, int) and model.least_size <= size <= model.size):
        return f"output_dimensionality must be in the range [{model.least_size}, {model.size}]."
    task = row.get("taskType", "TASK_TYPE_UNSPECIFIED")
    if task not in _TASKS:
        return f"Invalid value at 'requests.task_type' (TaskType), \"{task}\""
    if "title" in row and task != "RETRIEVAL_DOCUMENT":
        return "* EmbedContentRequest.title: only applicable when task_type is RETRIEVAL_DOCUMENT"
    parts = objects_in(object_in(row, "content"), "parts")
    if not parts or not all(isinstance(part.get("text"), str) and part["text"] for part in parts):
        return "* EmbedContentRequest.content: contains an empty Part."
    return None
