"""Requests as Google reads them, in a batch or alone: what is asked, why it is refused, what is answered."""

import base64
from pathlib import Path
from typing import Any

import orjson

from grabient_pipeline.sandbox.abilities import Ability, ability_of
from grabient_pipeline.sandbox.answers import Answer
from grabient_pipeline.sandbox.asked import Asked
from grabient_pipeline.sandbox.documents import JsonObject, as_object, names_in, object_in, objects_in
from grabient_pipeline.sandbox.production import Refusal, Row, Written, checked
from grabient_pipeline.sandbox.schemas import google_problem
from grabient_pipeline.sandbox.store import Batch, lines_of

# Codes of google.rpc.Status, as they stand in operations and rows.
RPC_INVALID, RPC_EXPIRED = 3, 4
_RPC_UNKNOWN, _RPC_INTERNAL = 2, 13
_RPC_OF_HTTP = {400: RPC_INVALID, 403: 7, 404: 5, 409: 6, 429: 8, 500: _RPC_INTERNAL, 503: 14, 504: RPC_EXPIRED}
_REQUEST_FIELDS = names_in(
    """
    model contents systemInstruction generationConfig safetySettings tools toolConfig cachedContent serviceTier
    labels store
    """
)
_CONFIG_FIELDS = names_in(
    """
    stopSequences responseMimeType responseSchema responseJsonSchema responseModalities candidateCount
    maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs
    enableEnhancedCivicAnswers speechConfig thinkingConfig mediaResolution imageConfig
    """
)
# Of a row in a file, and of an inline one.
_ROW_FIELDS = {False: {"key", "request", "metadata"}, True: {"request", "metadata"}}
_THINKING_FIELDS = names_in(
    """
    includeThoughts thinkingBudget thinkingLevel
    """
)


class GeminiDialect:
    """Calls of generateContent and rows of a batch."""

    def problems(self, batch: Batch, path: Path) -> list[dict[str, Any]]:
        failure = batch.faults.get("fail_batch")
        if failure is not None:
            return [{"code": RPC_INVALID, "message": failure["message"]}]
        number = 0
        for number, line in enumerate(lines_of(path), 1):
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                return [{"code": RPC_INVALID, "message": f"Line {number} of the input file is not valid JSON."}]
            if not isinstance(row, dict) or "request" not in row:
                return [{"code": RPC_INVALID, "message": f"Line {number} of the input file has no request."}]
        if number == 0:
            return [{"code": RPC_INVALID, "message": "The input file has no requests."}]
        return []

    def read(self, batch: Batch, line: bytes) -> Row:
        row = orjson.loads(line)
        metadata = row.get("metadata")
        key = row.get("key")
        label = str(key if key is not None else as_object(metadata).get("key", ""))
        strange = row.keys() - _ROW_FIELDS[batch.details["inline"]]
        if strange:
            refusal = Refusal(400, "INVALID_ARGUMENT", unknown_name(min(strange), "request"))
            return Row(label, batch.model, refusal=refusal, extra=(key, metadata))
        found = self.request(label, batch.model, object_in(row, "request"))
        found.extra = key, metadata
        return found

    def request(self, custom_id: str, model: str, request: JsonObject) -> Row:
        """A request to this model, which is known."""
        ability = ability_of("google", model)
        assert ability is not None
        found = checked(lambda: self._read(camel_keys(request), ability))
        if isinstance(found, Refusal):
            return Row(custom_id, model, refusal=found)
        return Row(custom_id, model, found)

    @staticmethod
    def _read(request: JsonObject, ability: Ability) -> Asked | Refusal:
        config = camel_keys(object_in(request, "generationConfig"))
        message = _problem(request, config, ability)
        if message:
            return Refusal(400, "INVALID_ARGUMENT", message)
        asked = Asked(
            text_of(request.get("systemInstruction")), "\n".join(text_of(part) for part in request["contents"])
        )
        asked.output_limit = config.get("maxOutputTokens") or ability.max_output_tokens
        schema = config.get("responseSchema") or config.get("responseJsonSchema")
        if schema:
            asked.form, asked.schema = "schema", schema
        elif config.get("responseMimeType") == "application/json":
            asked.form = "json"
        asked.effort = _effort(camel_keys(object_in(config, "thinkingConfig")), ability)
        return asked

    def answered(self, batch: Batch, row: Row, answer: Answer) -> Written:
        if answer.finish == "overloaded":
            row.refusal = self.overload(answer)
            return self.refused(batch, row)
        return _written(row, {"response": self.response(row, answer)}, "succeeded")

    def overload(self, answer: Answer) -> Refusal:
        """What is told when the model could not answer."""
        if answer.noise[40] & 1:
            return self.failure(503, "The model is overloaded. Please try again later.")
        return self.failure(500, "Internal error.")

    def failure(self, status: int, message: str) -> Refusal:
        return Refusal(status, "", message)

    @staticmethod
    def response(row: Row, answer: Answer) -> JsonObject:
        """What the model said, as a response; a prompt that was blocked costs no output."""
        usage: dict[str, Any] = {
            "promptTokenCount": answer.input_tokens,
            "candidatesTokenCount": answer.output_tokens - answer.reasoning_tokens,
            "totalTokenCount": answer.input_tokens + answer.output_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens}],
        }
        if answer.reasoning_tokens:
            usage["thoughtsTokenCount"] = answer.reasoning_tokens
        response: dict[str, Any] = {}
        if answer.finish == "refusal" and answer.noise[41] & 1:
            response["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
            usage.pop("candidatesTokenCount")
            usage["totalTokenCount"] = answer.input_tokens
            answer.output_tokens = answer.reasoning_tokens = 0
        else:
            finish = {"length": "MAX_TOKENS", "refusal": "SAFETY"}.get(answer.finish, "STOP")
            content: dict[str, Any] = {"role": "model"}
            if answer.text and answer.finish != "refusal":
                content["parts"] = [{"text": answer.text}]
            response["candidates"] = [{"content": content, "finishReason": finish, "index": 0}]
        response["usageMetadata"] = usage
        response["modelVersion"] = row.model
        response["responseId"] = base64.urlsafe_b64encode(answer.noise[:16]).decode().rstrip("=")
        return response

    def refused(self, batch: Batch, row: Row) -> Written:
        assert row.refusal is not None
        code = _RPC_OF_HTTP.get(row.refusal.status, _RPC_UNKNOWN)
        return _written(row, {"error": {"code": code, "message": row.refusal.message}}, "errored")

    def unfinished(self, batch: Batch, row: Row) -> Written:
        fate = "cancelled" if batch.cancelled is not None else "expired"
        return _written(row, {"error": {"code": RPC_EXPIRED, "message": f"The batch was {fate}."}}, fate)

    def result_names(self, batch: Batch) -> tuple[str, str | None]:
        return batch.details["output_file"], None


def _written(row: Row, result: dict[str, Any], fate: Any) -> Written:
    key, metadata = row.extra
    line: dict[str, Any] = {}
    if key is not None:
        line["key"] = key
    line.update(result)
    if metadata is not None:
        line["metadata"] = metadata
    return Written(orjson.dumps(line) + b"\n", fate)


def text_of(content: Any) -> str:
    """The text of a content's parts."""
    message = as_object(content)
    # A single part may stand for the list, as in all of Google's JSON.
    parts = objects_in(message, "parts") or [object_in(message, "parts")]
    return "\n".join(str(part.get("text", "")) for part in parts)


def _effort(thinking: dict[str, Any], ability: Ability) -> str:
    if ability.thinking == "level":
        return str(thinking.get("thinkingLevel") or ability.default_effort).lower()
    budget = int(thinking.get("thinkingBudget") or 0)
    return "medium" if budget < 0 else str(budget)


def _problem(request: dict[str, Any], config: dict[str, Any], ability: Ability) -> str | None:
    """Why the row is refused, or None."""
    for name in request:
        if name not in _REQUEST_FIELDS:
            return unknown_name(name, "request")
    for name in config:
        if name not in _CONFIG_FIELDS:
            return unknown_name(name, "request.generation_config")
    contents = objects_in(request, "contents")
    if not contents:
        return "* GenerateContentRequest.contents: contents is not specified"
    for place, content in enumerate(contents):
        if not content.get("parts"):
            return f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty."
        if content.get("role", "user") not in ("user", "model"):
            return "Please use a valid role: user, model."
    return _config_problem(config, ability) or _thinking_problem(config.get("thinkingConfig"), ability)


def _config_problem(config: dict[str, Any], ability: Ability) -> str | None:
    limit = config.get("maxOutputTokens")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        return "* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive."
    if limit is not None and limit > ability.max_output_tokens:
        return (
            f"Unable to submit request because it has a maxOutputTokens value of {limit} but the supported range is "
            f"from 1 (inclusive) to {ability.max_output_tokens + 1} (exclusive)."
        )
    temperature = config.get("temperature")
    if temperature is not None and not 0 <= temperature <= 2:
        return "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0]."
    openapi, described = config.get("responseSchema"), config.get("responseJsonSchema")
    if openapi is not None and described is not None:
        return "Only one of response_schema and response_json_schema can be set in generation_config."
    schema = openapi if openapi is not None else described
    if schema is None:
        return None
    if config.get("responseMimeType") != "application/json":
        return "Function calling or a response schema needs the response mime type 'application/json'."
    stranger = google_problem(schema, openapi is not None)
    if stranger is None:
        return None
    if openapi is not None:
        return unknown_name(stranger, "request.generation_config.response_schema")
    return f"The keyword '{stranger}' is not supported in response_json_schema."


def _thinking_problem(wanted: Any, ability: Ability) -> str | None:
    if wanted is None:
        return None
    thinking = camel_keys(wanted)
    if ability.thinking not in ("budget", "level"):
        return f"Thinking is not enabled for models/{ability.model}"
    for name in thinking:
        if name not in _THINKING_FIELDS:
            return unknown_name(name, "request.generation_config.thinking_config")
    budget, level = thinking.get("thinkingBudget"), thinking.get("thinkingLevel")
    if budget is not None and level is not None:
        return "You can only set one of thinking budget and thinking level."
    if level is not None and (ability.thinking != "level" or str(level).lower() not in ability.efforts):
        return f"Thinking level {level} is not supported for models/{ability.model}."
    if budget is not None and budget not in (0, -1) and not 512 <= budget <= 24576:
        return f"The thinking budget {budget} is invalid. Please choose a value between 512 and 24576."
    return None


def unknown_name(name: str, where: str) -> str:
    """What is told of a field that does not exist."""
    return f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."


def _camel(name: str) -> str:
    if "_" not in name:
        return name
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def camel_keys(document: dict[str, Any]) -> dict[str, Any]:
    """Google's JSON takes both spellings of a field's name."""
    return {_camel(name): value for name, value in document.items()}
