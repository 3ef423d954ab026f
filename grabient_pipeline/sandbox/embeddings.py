"""The embedding APIs of OpenAI and Google: what they take and refuse, and the forms of their answers."""

import base64
import math
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from grabient_pipeline.sandbox import google, openai
from grabient_pipeline.sandbox.abilities import Provider, ability_of
from grabient_pipeline.sandbox.asked import tokens_of
from grabient_pipeline.sandbox.context import Context, json_response
from grabient_pipeline.sandbox.documents import JsonObject, as_object, names_in, object_in, objects_in
from grabient_pipeline.sandbox.google_rows import camel_keys, text_of, unknown_name
from grabient_pipeline.sandbox.vectors import Vectors, shortened, vectors_of


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What a model takes."""

    provider: Provider
    name: str
    size: int
    least_size: int
    most_tokens: int
    # Shortened vectors are made one long again; where they are not, clients have to.
    normalises: bool


MODELS: dict[tuple[Provider, str], EmbeddingModel] = {
    (model.provider, model.name): model
    for model in (
        EmbeddingModel("openai", "text-embedding-3-small", 1536, 1, 8192, True),
        EmbeddingModel("openai", "text-embedding-3-large", 3072, 1, 8192, True),
        EmbeddingModel("google", "gemini-embedding-001", 3072, 128, 2048, False),
    )
}
OPENAI_INPUTS, OPENAI_TOKENS = 2048, 300_000
GOOGLE_REQUESTS = 100
_GOOGLE_CHARACTERS_A_TOKEN = 4
_OPENAI_FIELDS = names_in("input model dimensions encoding_format user")
_GOOGLE_FIELDS = names_in("model content taskType title outputDimensionality")
_GOOGLE_TASKS = names_in(
    """
    TASK_TYPE_UNSPECIFIED RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY CLASSIFICATION CLUSTERING
    QUESTION_ANSWERING FACT_VERIFICATION CODE_RETRIEVAL_QUERY
    """
)


def openai_routes(context: Context) -> list[BaseRoute]:
    """What belongs under `/openai/v1`."""

    async def embed(request: Request) -> Response:
        return await context.desk.serve(request, "openai", "embedding", _OpenAI(context).answer)

    return [Route("/embeddings", embed, methods=["POST"])]


def google_routes(context: Context) -> list[BaseRoute]:
    """What belongs under `/google`."""
    api = _Google(context)

    def route(method: str, answer: Callable[[Request, bytes], Response]) -> BaseRoute:
        async def embed(request: Request) -> Response:
            return await context.desk.serve(request, "google", "embedding", answer)

        return Route(f"/{google.VERSION}/models/{{model}}:{method}", embed, methods=["POST"])

    return [route("batchEmbedContents", api.answer_batch), route("embedContent", api.answer_single)]


def _embedded(
    context: Context, model: EmbeddingModel, texts: list[str], tokens: list[int], sizes: list[int]
) -> list[Vectors]:
    """The vectors of texts, each of the size that was asked for; billed."""
    identities = [
        blake2b(f"{model.name}\0{size}\0{text}".encode(), digest_size=12).hexdigest()
        for text, size in zip(texts, sizes, strict=True)
    ]
    context.desk.bill_embeddings(model.provider, list(zip(identities, tokens, strict=True)))
    vectors = vectors_of(model.name, texts, model.size)
    return [shortened(vector, size, model.normalises) for vector, size in zip(vectors, sizes, strict=True)]


def _tokens(text: str) -> int:
    return max(1, math.ceil(tokens_of(text)))


class _OpenAI:
    def __init__(self, context: Context) -> None:
        self._context = context

    def answer(self, request: Request, content: bytes) -> Response:
        try:
            body = as_object(orjson.loads(content))
        except orjson.JSONDecodeError:
            return openai.error(400, message="We could not parse the JSON body of your request.")
        name = body.get("model")
        if not isinstance(name, str):
            return openai.error(400, message="you must provide a model parameter")
        model = MODELS.get(("openai", name))
        if model is None and ability_of("openai", name) is not None:
            return openai.error(403, message="You are not allowed to generate embeddings from this model")
        if model is None:
            message = f"The model `{name}` does not exist or you do not have access to it."
            return openai.error(404, "invalid_request_error", message, None, "model_not_found")
        return self._refused(body, model) or self._answered(body, model)

    @staticmethod
    def _refused(body: JsonObject, model: EmbeddingModel) -> Response | None:
        strangers = body.keys() - _OPENAI_FIELDS
        if strangers:
            return openai.error(400, message=f"Unrecognized request argument supplied: {min(strangers)}")
        form = body.get("encoding_format", "float")
        if form not in ("float", "base64"):
            return openai.error(400, message=f"'{form}' is not one of ['float', 'base64']", param="encoding_format")
        size = body.get("dimensions", model.size)
        if not isinstance(size, int) or isinstance(size, bool) or size < model.least_size:
            return openai.error(400, message=f"Invalid value for 'dimensions' = {size}.", param="dimensions")
        if size > model.size:
            message = f"Invalid value for 'dimensions' = {size}. Must be less than or equal to {model.size}."
            return openai.error(400, message=message, param="dimensions")
        texts = _texts(body.get("input"))
        if not texts or len(texts) > OPENAI_INPUTS or not all(texts):
            message = "'$.input' is invalid. Please check the API reference: "
            return openai.error(400, message=message + "https://platform.openai.com/docs/api-reference.")
        tokens = [_tokens(text) for text in texts]
        longest = max(tokens)
        if longest > model.most_tokens:
            message = (
                f"This model's maximum context length is {model.most_tokens} tokens, however you requested {longest} "
                f"tokens ({longest} in your prompt; 0 for the completion). Please reduce your prompt."
            )
            return openai.error(400, message=message)
        if sum(tokens) > OPENAI_TOKENS:
            message = f"Requested {sum(tokens)} tokens, max {OPENAI_TOKENS} tokens per request"
            return openai.error(400, "max_tokens_per_request", message, None, "max_tokens_per_request")
        return None

    def _answered(self, body: JsonObject, model: EmbeddingModel) -> Response:
        texts = _texts(body["input"])
        tokens = [_tokens(text) for text in texts]
        sizes = [body.get("dimensions", model.size)] * len(texts)
        vectors = _embedded(self._context, model, texts, tokens, sizes)
        as_base64 = body.get("encoding_format") == "base64"
        spelled = [_base64(vector) if as_base64 else vector for vector in vectors]
        data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(spelled)]
        usage = {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}
        return json_response({"object": "list", "data": data, "model": model.name, "usage": usage})


def _texts(wanted: Any) -> list[str]:
    """The texts of an input; none where it is something else. Lists of tokens are not served here."""
    if isinstance(wanted, str):
        return [wanted]
    texts = cast(list[Any], wanted) if isinstance(wanted, list) else []
    return texts if all(isinstance(text, str) for text in texts) else []


def _base64(vector: Vectors) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


class _Google:
    def __init__(self, context: Context) -> None:
        self._context = context

    def answer_batch(self, request: Request, content: bytes) -> Response:
        model = MODELS.get(("google", request.path_params["model"]))
        if model is None:
            return google.no_model(request.path_params["model"], "batchEmbedContents")
        body = _parsed(content)
        if isinstance(body, Response):
            return body
        if body.keys() != {"requests"}:
            return google.error(400, message=unknown_name(min(body.keys() - {"requests"}, default=""), "request"))
        rows = [camel_keys(row) for row in objects_in(body, "requests")]
        if not rows:
            return google.error(400, message="* BatchEmbedContentsRequest.requests: cannot be empty")
        if len(rows) > GOOGLE_REQUESTS:
            message = f"* BatchEmbedContentsRequest.requests: at most {GOOGLE_REQUESTS} requests can be in one batch"
            return google.error(400, message=message)
        return self._answered(model, rows, needs_model=True, single=False)

    def answer_single(self, request: Request, content: bytes) -> Response:
        model = MODELS.get(("google", request.path_params["model"]))
        if model is None:
            return google.no_model(request.path_params["model"], "embedContent")
        body = _parsed(content)
        if isinstance(body, Response):
            return body
        return self._answered(model, [camel_keys(body)], needs_model=False, single=True)

    def _answered(self, model: EmbeddingModel, rows: list[JsonObject], needs_model: bool, single: bool) -> Response:
        for row in rows:
            problem = _row_problem(row, model, needs_model)
            if problem is not None:
                return google.error(400, message=problem)
        # What is too long is cut, without a word.
        texts = [text_of(row["content"])[: model.most_tokens * _GOOGLE_CHARACTERS_A_TOKEN] for row in rows]
        tokens = [_tokens(text) for text in texts]
        sizes = [row.get("outputDimensionality") or model.size for row in rows]
        vectors = _embedded(self._context, model, texts, tokens, sizes)
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
        return google.error(400, message="Invalid JSON payload received.")


def _row_problem(row: JsonObject, model: EmbeddingModel, needs_model: bool) -> str | None:
    strangers = row.keys() - _GOOGLE_FIELDS
    if strangers:
        return unknown_name(min(strangers), "request")
    named = row.get("model")
    if (needs_model or named is not None) and named != f"models/{model.name}":
        return "* EmbedContentRequest.model: the model of each request has to be the one of the call."
    size = row.get("outputDimensionality")
    if size is not None and not (isinstance(size, int) and model.least_size <= size <= model.size):
        return f"output_dimensionality must be in the range [{model.least_size}, {model.size}]."
    task = row.get("taskType", "TASK_TYPE_UNSPECIFIED")
    if task not in _GOOGLE_TASKS:
        return f"Invalid value at 'requests.task_type' (TaskType), \"{task}\""
    if "title" in row and task != "RETRIEVAL_DOCUMENT":
        return "* EmbedContentRequest.title: only applicable when task_type is RETRIEVAL_DOCUMENT"
    parts = objects_in(object_in(row, "content"), "parts")
    if not parts or not all(isinstance(part.get("text"), str) and part["text"] for part in parts):
        return "* EmbedContentRequest.content: contains an empty Part."
    return None
