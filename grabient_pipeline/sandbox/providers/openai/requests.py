"""Chat completion requests and results, in a batch or alone."""

import hashlib
from pathlib import Path
from typing import Any, Literal

import orjson

from grabient_pipeline.sandbox.batch import Batch
from grabient_pipeline.sandbox.batches.dialect import Rejection, ResultLine, Row, guard_types
from grabient_pipeline.sandbox.capabilities import BatchLimits, ModelCapabilities
from grabient_pipeline.sandbox.json_values import object_in
from grabient_pipeline.sandbox.model.answers import Answer
from grabient_pipeline.sandbox.model.prompt import Prompt
from grabient_pipeline.sandbox.providers.openai.errors import CODES, ERROR_TYPES
from grabient_pipeline.sandbox.providers.openai.flavour import ChatFlavour
from grabient_pipeline.sandbox.providers.openai.input_checks import find_input_problems
from grabient_pipeline.sandbox.providers.openai.request_checks import (
    find_rejection,
    picture_of,
    pictures_in,
    refused_tier,
    text_of,
)

_REASONING: dict[str, Literal["inline", "field", "hidden"]] = {"raw": "inline", "parsed": "field"}


class ChatDialect:
    """OpenAI's chat completions, alone or as rows of a batch. Other flavours override what differs."""

    def __init__(self, flavour: ChatFlavour) -> None:
        self.flavour = flavour

    def find_problems(self, batch: Batch, path: Path, limits: BatchLimits) -> list[dict[str, Any]]:
        """Why the batch as a whole is rejected."""
        failure = batch.faults.get("fail_batch")
        return find_input_problems(path, self.flavour, limits) if failure is None else [{**failure, "param": None}]

    def request_id(self, digest: str) -> str:
        """An id for the response to a request, from hexadecimal digits."""
        return digest[-32:]

    def read_row(self, batch: Batch, line: bytes) -> Row:
        """Parse one line of the input file."""
        row = orjson.loads(line)
        parsed = self.request(row["custom_id"], row["body"])
        if parsed.service_tier in ("", "default"):
            return parsed
        # No document says what a batch does with a tier. A client that sends one expects another price.
        return Row(parsed.custom_id, parsed.model, rejection=refused_tier(parsed.service_tier, "requests of a batch"))

    def request(self, custom_id: str, body: dict[str, Any]) -> Row:
        """Parse the body of a request."""
        name = str(body.get("model"))
        capabilities = self.flavour.models.get(name)
        if capabilities is None:
            message = f"The model `{name}` does not exist or you do not have access to it."
            return Row(
                custom_id, name, rejection=Rejection(404, "invalid_request_error", message, None, "model_not_found")
            )
        found = guard_types(lambda: find_rejection(body, capabilities, self.flavour) or read_prompt(body, capabilities))
        if isinstance(found, Rejection):
            return Row(custom_id, capabilities.model, rejection=found)
        tier = self.flavour.tiers.get(str(body.get("service_tier")), "default") if self.flavour.tiers else ""
        return Row(custom_id, capabilities.model, found, extra=capabilities.answers_as, service_tier=tier)

    def format_answer(self, batch: Batch, row: Row, answer: Answer) -> ResultLine:
        """The result line of an answer."""
        lost = batch.faults.get("status_zero_rows")
        if lost is not None and row.place < lost["count"]:
            response: dict[str, Any] = {"status_code": 0, "request_id": "", "body": {}}
            return self._line(row.custom_id, response, _digest(row.custom_id), "miscounted")
        if answer.finish == "overloaded":
            return self._failed(row.custom_id, self.rejection_of_overload(answer))
        response = {
            "status_code": 200,
            "request_id": self.request_id(answer.digest.hex()),
            "body": self.completion(row, answer, batch.running_since),
        }
        return self._line(row.custom_id, response, answer.digest.hex(), "succeeded")

    def rejection_of_overload(self, answer: Answer) -> Rejection:
        """The error when the model was overloaded."""
        return self.rejection_for(
            503 if answer.digest[40] & 1 else 500, "The server had an error processing this request."
        )

    def rejection_for(self, status: int, message: str) -> Rejection:
        """The error of a request that failed with this HTTP status."""
        return Rejection(status, ERROR_TYPES.get(status, "invalid_request_error"), message, None, CODES.get(status))

    def completion(self, row: Row, answer: Answer, moment: float) -> dict[str, Any]:
        """An answer as a chat completion."""
        refused = answer.finish == "refusal"
        return {
            "id": f"chatcmpl-{answer.digest[:15].hex()}",
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
                "prompt_tokens_details": {
                    "cached_tokens": answer.cached_tokens,
                    "cache_write_tokens": answer.cache_write_tokens,
                    "audio_tokens": 0,
                },
                "completion_tokens_details": {
                    "reasoning_tokens": answer.reasoning_tokens,
                    "audio_tokens": 0,
                    "accepted_prediction_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
            },
            "service_tier": row.service_tier or "default",
            "system_fingerprint": "fp_5a1dbe0f7c",
        }

    def format_rejection(self, batch: Batch, row: Row) -> ResultLine:
        """The result line of a rejected request."""
        assert row.rejection is not None
        return self._failed(row.custom_id, row.rejection)

    def format_unfinished(self, batch: Batch, row: Row) -> ResultLine:
        """The result line of a request that was not processed."""
        cancelled = batch.cancelled is not None
        code = "batch_cancelled" if cancelled else "batch_expired"
        why = "was cancelled" if cancelled else "expired"
        line = {
            "id": f"batch_req_{_digest(row.custom_id)}",
            "custom_id": row.custom_id,
            "response": None,
            "error": {"code": code, "message": f"This request was not executed before the batch {why}."},
        }
        return ResultLine(orjson.dumps(line) + b"\n", "cancelled" if cancelled else "expired", True)

    def result_file_ids(self, batch: Batch) -> tuple[str, str | None]:
        """The ids of the result file and the error file."""
        return batch.details["output_file"], batch.details["error_file"]

    def _failed(self, custom_id: str, rejection: Rejection) -> ResultLine:
        inner = {"message": rejection.message, "type": rejection.type, "param": rejection.param, "code": rejection.code}
        return self.format_error(custom_id, rejection.status, {"error": inner})

    def format_error(self, custom_id: str, status: int, body: dict[str, Any]) -> ResultLine:
        """The result line of a request that failed with this HTTP status and body."""
        digest = _digest(custom_id)
        response = {"status_code": status, "request_id": self.request_id(digest), "body": body}
        return self._line(custom_id, response, digest, "errored")

    @staticmethod
    def _line(custom_id: str, response: dict[str, Any], digest: str, outcome: Any) -> ResultLine:
        line = {"id": f"batch_req_{digest[-32:]}", "custom_id": custom_id, "response": response, "error": None}
        return ResultLine(orjson.dumps(line) + b"\n", outcome, outcome != "succeeded")


def _digest(custom_id: str) -> str:
    return hashlib.blake2b(custom_id.encode(), digest_size=16).hexdigest()


def read_prompt(body: dict[str, Any], capabilities: ModelCapabilities) -> Prompt:
    """The prompt of an accepted request."""
    system: list[str] = []
    user: list[str] = []
    for message in body["messages"]:
        (system if message["role"] in ("system", "developer") else user).append(text_of(message.get("content")))
    prompt = Prompt("\n".join(system), "\n".join(user))
    for _, image in pictures_in(body):
        prompt.attach((*prompt.pictures, picture_of(image)), capabilities.images, image.get("detail", "auto"))
    prompt.output_limit = body.get("max_completion_tokens") or body.get("max_tokens") or capabilities.max_output_tokens
    wanted = object_in(body, "response_format")
    if wanted.get("type") == "json_object":
        prompt.form = "json"
    elif wanted.get("type") == "json_schema":
        prompt.schema = object_in(object_in(wanted, "json_schema"), "schema")
        prompt.form = "schema"
    effort = body.get("reasoning_effort") or capabilities.default_effort
    prompt.effort = effort
    if capabilities.thinking == "format":
        # By default, reasoning is part of the text; in JSON mode it is moved out of the way.
        chosen = body.get("reasoning_format") or ("raw" if prompt.form == "text" else "parsed")
        prompt.reasoning = _REASONING.get(chosen, "hidden")
    elif capabilities.thinking == "include":
        prompt.reasoning = "hidden" if body.get("include_reasoning") is False else "field"
    return prompt
