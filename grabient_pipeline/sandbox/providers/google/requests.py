"""Google's requests and results, in a batch or alone."""

import base64
from pathlib import Path
from typing import Any

import orjson

from grabient_pipeline.sandbox.batch import Batch
from grabient_pipeline.sandbox.batches.dialect import Rejection, ResultLine, Row, guard_types
from grabient_pipeline.sandbox.capabilities import BatchLimits, ModelCapabilities
from grabient_pipeline.sandbox.json_values import JsonObject, as_object, object_in
from grabient_pipeline.sandbox.model.answers import Answer
from grabient_pipeline.sandbox.model.prompt import Prompt
from grabient_pipeline.sandbox.providers.google.models import MODELS
from grabient_pipeline.sandbox.providers.google.request_checks import (
    camel_keys,
    find_problem,
    picture_of,
    pictures_in,
    text_of,
    unknown_name,
)
from grabient_pipeline.sandbox.store import lines_of

# Codes of google.rpc.Status, as they stand in operations and rows.
RPC_INVALID, RPC_EXPIRED = 3, 4
_RPC_UNKNOWN, _RPC_INTERNAL = 2, 13
_RPC_OF_HTTP = {400: RPC_INVALID, 403: 7, 404: 5, 409: 6, 429: 8, 500: _RPC_INTERNAL, 503: 14, 504: RPC_EXPIRED}
# Fields of a row, by whether it is inline.
_ROW_FIELDS = {False: {"key", "request", "metadata"}, True: {"request", "metadata"}}


class GeminiDialect:
    """Calls of generateContent, alone or as rows of a batch."""

    def find_problems(self, batch: Batch, path: Path, limits: BatchLimits) -> list[dict[str, Any]]:
        """Why the batch as a whole is rejected."""
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

    def read_row(self, batch: Batch, line: bytes) -> Row:
        """Parse one line of the input file."""
        row = orjson.loads(line)
        metadata = row.get("metadata")
        key = row.get("key")
        label = str(key if key is not None else as_object(metadata).get("key", ""))
        unknown = row.keys() - _ROW_FIELDS[batch.details["inline"]]
        if unknown:
            rejection = Rejection(400, "INVALID_ARGUMENT", unknown_name(min(unknown), "request"))
            return Row(label, batch.model, rejection=rejection, extra=(key, metadata))
        found = self.request(label, batch.model, object_in(row, "request"))
        found.extra = key, metadata
        return found

    def request(self, custom_id: str, model: str, request: JsonObject) -> Row:
        """Parse a request to a model that exists."""
        capabilities = MODELS.get(model)
        assert capabilities is not None
        found = guard_types(lambda: self._read(camel_keys(request), capabilities))
        if isinstance(found, Rejection):
            return Row(custom_id, model, rejection=found)
        return Row(custom_id, model, found)

    @staticmethod
    def _read(request: JsonObject, capabilities: ModelCapabilities) -> Prompt | Rejection:
        config = camel_keys(object_in(request, "generationConfig"))
        message = find_problem(request, config, capabilities)
        if message:
            return Rejection(400, "INVALID_ARGUMENT", message)
        prompt = Prompt(
            text_of(request.get("systemInstruction")), "\n".join(text_of(part) for part in request["contents"])
        )
        resolution = str(config.get("mediaResolution") or "")
        prompt.attach([picture_of(blob) for _, blob in pictures_in(request)], capabilities.images, resolution)
        prompt.output_limit = config.get("maxOutputTokens") or capabilities.max_output_tokens
        schema = config.get("responseSchema") or config.get("responseJsonSchema")
        if schema:
            prompt.form, prompt.schema = "schema", schema
        elif config.get("responseMimeType") == "application/json":
            prompt.form = "json"
        prompt.effort = _effort(camel_keys(object_in(config, "thinkingConfig")), capabilities)
        return prompt

    def format_answer(self, batch: Batch, row: Row, answer: Answer) -> ResultLine:
        """The result line of an answer."""
        if answer.finish == "overloaded":
            row.rejection = self.rejection_of_overload(answer)
            return self.format_rejection(batch, row)
        return _result_line(row, {"response": self.response(row, answer)}, "succeeded")

    def rejection_of_overload(self, answer: Answer) -> Rejection:
        """The error when the model was overloaded."""
        if answer.digest[40] & 1:
            return self.rejection_for(503, "The model is overloaded. Please try again later.")
        return self.rejection_for(500, "Internal error.")

    def rejection_for(self, status: int, message: str) -> Rejection:
        """The error of a request that failed with this HTTP status."""
        return Rejection(status, "", message)

    @staticmethod
    def response(row: Row, answer: Answer) -> JsonObject:
        """An answer as a response; a blocked prompt costs no output, which this sets in the answer."""
        pictures = row.prompt.picture_tokens if row.prompt else 0
        usage: dict[str, Any] = {
            "promptTokenCount": answer.input_tokens,
            "candidatesTokenCount": answer.output_tokens - answer.reasoning_tokens,
            "totalTokenCount": answer.input_tokens + answer.output_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens - pictures}],
        }
        if answer.cached_tokens:
            usage["cachedContentTokenCount"] = answer.cached_tokens
            usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": answer.cached_tokens}]
        if pictures:
            usage["promptTokensDetails"].append({"modality": "IMAGE", "tokenCount": pictures})
        if answer.reasoning_tokens:
            usage["thoughtsTokenCount"] = answer.reasoning_tokens
        response: dict[str, Any] = {}
        if answer.finish == "refusal" and answer.digest[41] & 1:
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
        response["responseId"] = base64.urlsafe_b64encode(answer.digest[:16]).decode().rstrip("=")
        return response

    def format_rejection(self, batch: Batch, row: Row) -> ResultLine:
        """The result line of a rejected request."""
        assert row.rejection is not None
        code = _RPC_OF_HTTP.get(row.rejection.status, _RPC_UNKNOWN)
        return _result_line(row, {"error": {"code": code, "message": row.rejection.message}}, "errored")

    def format_unfinished(self, batch: Batch, row: Row) -> ResultLine:
        """The result line of a request that was not processed."""
        outcome = "cancelled" if batch.cancelled is not None else "expired"
        return _result_line(row, {"error": {"code": RPC_EXPIRED, "message": f"The batch was {outcome}."}}, outcome)

    def result_file_ids(self, batch: Batch) -> tuple[str, str | None]:
        """The ids of the result file and the error file."""
        return batch.details["output_file"], None


def _result_line(row: Row, result: dict[str, Any], outcome: Any) -> ResultLine:
    key, metadata = row.extra
    line: dict[str, Any] = {}
    if key is not None:
        line["key"] = key
    line.update(result)
    if metadata is not None:
        line["metadata"] = metadata
    return ResultLine(orjson.dumps(line) + b"\n", outcome)


def _effort(thinking: dict[str, Any], capabilities: ModelCapabilities) -> str:
    if capabilities.thinking == "level":
        return str(thinking.get("thinkingLevel") or capabilities.default_effort).lower()
    budget = int(thinking.get("thinkingBudget") or 0)
    return "medium" if budget < 0 else str(budget)
