"""Chat completions of OpenAI and Groq, in a batch or alone: read, refused, answered; and how Groq differs."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson

from grabient_pipeline.sandbox.abilities import LIMITS, Provider, ability_of
from grabient_pipeline.sandbox.answers import Answer
from grabient_pipeline.sandbox.chat import asked_of, refusal_of
from grabient_pipeline.sandbox.production import Refusal, Row, Written, checked
from grabient_pipeline.sandbox.store import Batch, lines_of

ENDPOINT = "/v1/chat/completions"
_MOST_PROBLEMS = 20
ERROR_TYPES = {
    401: "invalid_request_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


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


class ChatDialect:
    """Chat completions and rows of a batch."""

    def __init__(self, provider: Provider) -> None:
        self.provider: Provider = provider
        self._flavour = FLAVOURS[provider]

    def problems(self, batch: Batch, path: Path) -> list[dict[str, Any]]:
        failure = batch.faults.get("fail_batch")
        if failure is not None:
            return [{**failure, "param": None}]
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
        return self.request(row["custom_id"], row["body"])

    def request(self, custom_id: str, body: dict[str, Any]) -> Row:
        """A request with this body."""
        name = str(body.get("model"))
        ability = ability_of(self.provider, name)
        if ability is None:
            message = f"The model `{name}` does not exist or you do not have access to it."
            return Row(custom_id, name, refusal=Refusal(404, "invalid_request_error", message, None, "model_not_found"))
        found = checked(lambda: refusal_of(body, ability) or asked_of(body, ability))
        if isinstance(found, Refusal):
            return Row(custom_id, ability.model, refusal=found)
        return Row(custom_id, ability.model, found, extra=ability.answers_as)

    def answered(self, batch: Batch, row: Row, answer: Answer) -> Written:
        lost = batch.faults.get("status_zero_rows")
        if lost is not None and row.place < lost["count"]:
            response: dict[str, Any] = {"status_code": 0, "request_id": "", "body": {}}
            return self._line(row.custom_id, response, _digest(row.custom_id), "miscounted")
        if answer.finish == "overloaded":
            return self._failed(row.custom_id, self.overload(answer))
        response = {
            "status_code": 200,
            "request_id": self._request_id(answer.noise.hex()),
            "body": self.completion(row, answer, batch.running_since),
        }
        return self._line(row.custom_id, response, answer.noise.hex(), "succeeded")

    def overload(self, answer: Answer) -> Refusal:
        """What is told when the model could not answer."""
        return self.failure(503 if answer.noise[40] & 1 else 500, "The server had an error processing this request.")

    def failure(self, status: int, message: str) -> Refusal:
        return Refusal(status, ERROR_TYPES.get(status, "invalid_request_error"), message, None, CODES.get(status))

    def completion(self, row: Row, answer: Answer, moment: float) -> dict[str, Any]:
        """What the model said, as a chat completion."""
        if self._flavour.newer_fields:
            return self._openai_completion(row, answer, moment)
        return self._groq_completion(row, answer, moment)

    def _openai_completion(self, row: Row, answer: Answer, moment: float) -> dict[str, Any]:
        refused = answer.finish == "refusal"
        return {
            "id": f"chatcmpl-{answer.noise[:15].hex()}",
            "object": "chat.completion",
            "created": int(moment),
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

    def _groq_completion(self, row: Row, answer: Answer, moment: float) -> dict[str, Any]:
        message = {"role": "assistant", "content": answer.text}
        if answer.reasoning and row.asked is not None and row.asked.reasoning == "field":
            message["reasoning"] = answer.reasoning
        seconds = round(answer.output_tokens / 500, 4)
        return {
            "id": f"chatcmpl-{_uuid(answer.noise.hex())}",
            "object": "chat.completion",
            "created": int(moment),
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
        assert row.refusal is not None
        return self._failed(row.custom_id, row.refusal)

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

    def _failed(self, custom_id: str, refusal: Refusal) -> Written:
        digest = _digest(custom_id)
        inner = {"message": refusal.message, "type": refusal.type, "param": refusal.param, "code": refusal.code}
        answer = {"status_code": refusal.status, "request_id": self._request_id(digest), "body": {"error": inner}}
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
