"""OpenAI's embedding API: what it accepts and rejects, and its response."""

import base64
from typing import Any, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.batches.embeddings import embed, embedding_tokens
from grabient_pipeline.sandbox.capabilities import EmbeddingModel
from grabient_pipeline.sandbox.json_values import JsonObject, as_object, names_in
from grabient_pipeline.sandbox.model.vectors import Vectors
from grabient_pipeline.sandbox.providers.openai.errors import error
from grabient_pipeline.sandbox.providers.openai.models import EMBEDDING_MODELS, MODELS
from grabient_pipeline.sandbox.responses import json_response

_MODELS = {model.name: model for model in EMBEDDING_MODELS}
_MOST_INPUTS, _MOST_TOKENS = 2048, 300_000
_FIELDS = names_in("input model dimensions encoding_format user")


def embedding_routes(context: Context) -> list[BaseRoute]:
    """The route below OpenAI's base path."""

    async def embeddings(request: Request) -> Response:
        return await context.direct_calls.serve(request, "openai", "embedding", _Embeddings(context).answer)

    return [Route("/embeddings", embeddings, methods=["POST"])]


class _Embeddings:
    def __init__(self, context: Context) -> None:
        self._context = context

    def answer(self, request: Request, content: bytes) -> Response:
        try:
            body = as_object(orjson.loads(content))
        except orjson.JSONDecodeError:
            return error(400, message="We could not parse the JSON body of your request.")
        name = body.get("model")
        if not isinstance(name, str):
            return error(400, message="you must provide a model parameter")
        model = _MODELS.get(name)
        if model is None and name in MODELS:
            return error(403, message="You are not allowed to generate embeddings from this model")
        if model is None:
            message = f"The model `{name}` does not exist or you do not have access to it."
            return error(404, "invalid_request_error", message, None, "model_not_found")
        return self._find_rejection(body, model) or self._respond(body, model)

    @staticmethod
    def _find_rejection(body: JsonObject, model: EmbeddingModel) -> Response | None:
        unknown = body.keys() - _FIELDS
        if unknown:
            return error(400, message=f"Unrecognized request argument supplied: {min(unknown)}")
        form = body.get("encoding_format", "float")
        if form not in ("float", "base64"):
            return error(400, message=f"'{form}' is not one of ['float', 'base64']", param="encoding_format")
        size = body.get("dimensions", model.size)
        if not isinstance(size, int) or isinstance(size, bool) or size < model.least_size:
            return error(400, message=f"Invalid value for 'dimensions' = {size}.", param="dimensions")
        if size > model.size:
            message = f"Invalid value for 'dimensions' = {size}. Must be less than or equal to {model.size}."
            return error(400, message=message, param="dimensions")
        texts = _texts(body.get("input"))
        if not texts or len(texts) > _MOST_INPUTS or not all(texts):
            message = "'$.input' is invalid. Please check the API reference: "
            return error(400, message=message + "https://platform.openai.com/docs/api-reference.")
        tokens = [embedding_tokens(text) for text in texts]
        longest = max(tokens)
        if longest > model.most_tokens:
            message = (
                f"This model's maximum context length is {model.most_tokens} tokens, however you requested {longest} "
                f"tokens ({longest} in your prompt; 0 for the completion). Please reduce your prompt."
            )
            return error(400, message=message)
        if sum(tokens) > _MOST_TOKENS:
            message = f"Requested {sum(tokens)} tokens, max {_MOST_TOKENS} tokens per request"
            return error(400, "max_tokens_per_request", message, None, "max_tokens_per_request")
        return None

    def _respond(self, body: JsonObject, model: EmbeddingModel) -> Response:
        texts = _texts(body["input"])
        tokens = [embedding_tokens(text) for text in texts]
        sizes = [body.get("dimensions", model.size)] * len(texts)
        vectors = embed(self._context, "openai", model, texts, tokens, sizes)
        as_base64 = body.get("encoding_format") == "base64"
        encoded = [_base64(vector) if as_base64 else vector for vector in vectors]
        data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(encoded)]
        usage = {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}
        return json_response({"object": "list", "data": data, "model": model.name, "usage": usage})


def _texts(wanted: Any) -> list[str]:
    """The texts of an input, or none if it is anything else; lists of tokens are not supported."""
    if isinstance(wanted, str):
        return [wanted]
    texts = cast(list[Any], wanted) if isinstance(wanted, list) else []
    return texts if all(isinstance(text, str) for text in texts) else []


def _base64(vector: Vectors) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
