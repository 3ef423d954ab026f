"""Anthropic's requests and results, in a batch or alone."""

import hashlib
from pathlib import Path
from typing import Any

import orjson

from grabient_pipeline.sandbox.batch import Batch
from grabient_pipeline.sandbox.batches.dialect import Rejection, ResultLine, Row, guard_types
from grabient_pipeline.sandbox.capabilities import BatchLimits
from grabient_pipeline.sandbox.json_values import object_in, objects_in
from grabient_pipeline.sandbox.model.answers import Answer
from grabient_pipeline.sandbox.model.prompt import Prompt
from grabient_pipeline.sandbox.providers.anthropic.errors import ERROR_TYPES
from grabient_pipeline.sandbox.providers.anthropic.models import MODELS
from grabient_pipeline.sandbox.providers.anthropic.request_checks import find_rejection, picture_of, pictures_in


class AnthropicDialect:
    """Requests to the Messages API, alone or as rows of a batch."""

    def find_problems(self, batch: Batch, path: Path, limits: BatchLimits) -> list[dict[str, Any]]:
        """Always empty: problems of the whole batch are found at its creation."""
        return []

    def read_row(self, batch: Batch, line: bytes) -> Row:
        """Parse one line of the input file."""
        row = orjson.loads(line)
        return self.request(row["custom_id"], row["params"], batch.details["version"])

    def request(self, custom_id: str, params: dict[str, Any], version: str) -> Row:
        """Parse the parameters of a request under this version of the API."""
        found = guard_types(lambda: self._read(custom_id, params, version))
        if isinstance(found, Rejection):
            return Row(custom_id, str(params.get("model")), rejection=found)
        return found

    def _read(self, custom_id: str, params: dict[str, Any], version: str) -> Row | Rejection:
        model = params.get("model")
        capabilities = MODELS.get(model) if isinstance(model, str) else None
        rejection = find_rejection(params, capabilities, version)
        if rejection is not None:
            return rejection
        assert capabilities is not None
        prompt = Prompt(_text(params.get("system")), "\n".join(_text(m["content"]) for m in params["messages"]))
        prompt.attach([picture_of(source) for _, source in pictures_in(params)], capabilities.images)
        prompt.output_limit = params["max_tokens"]
        wanted = object_in(object_in(params, "output_config"), "format")
        tool = _forced_tool(params)
        if tool is not None:
            prompt.form, prompt.schema = "tool", tool["input_schema"]
        elif wanted:
            prompt.form, prompt.schema = "schema", wanted["schema"]
        thinking = object_in(params, "thinking")
        if thinking.get("type") == "enabled":
            prompt.effort, prompt.reasoning = str(thinking["budget_tokens"]), "field"
        elif capabilities.thinking in ("adaptive", "always") and thinking.get("type") != "disabled":
            # What it thinks is billed and left out of the answer, unless a display is asked for.
            effort = object_in(params, "output_config").get("effort")
            prompt.effort = str(effort or capabilities.default_effort)
        return Row(custom_id, capabilities.model, prompt, extra=(capabilities.answers_as, tool and tool["name"]))

    def format_answer(self, batch: Batch, row: Row, answer: Answer) -> ResultLine:
        """The result line of an answer."""
        if answer.finish == "overloaded":
            failure = self.rejection_of_overload(answer)
            return _errored(row.custom_id, failure.type, failure.message)
        message = self.message(row, answer, "batch")
        return _result_line(row.custom_id, {"type": "succeeded", "message": message}, "succeeded")

    def rejection_of_overload(self, answer: Answer) -> Rejection:
        """The error when the model was overloaded."""
        return self.rejection_for(529 if answer.digest[40] & 1 else 500, "Overloaded")

    @staticmethod
    def message(row: Row, answer: Answer, service_tier: str) -> dict[str, Any]:
        """An answer as a message."""
        model, tool = row.extra
        content: list[dict[str, Any]] = []
        if answer.reasoning:
            content.append({"type": "thinking", "thinking": answer.reasoning, "signature": answer.digest.hex()})
        stop = {"length": "max_tokens", "refusal": "refusal"}.get(answer.finish, "end_turn")
        if tool and answer.finish == "stop":
            call = {"type": "tool_use", "id": f"toolu_{answer.digest[:12].hex()}", "name": tool, "input": answer.value}
            content.append(call)
            stop = "tool_use"
        elif tool and answer.finish == "length":
            content.append({"type": "tool_use", "id": f"toolu_{answer.digest[:12].hex()}", "name": tool, "input": {}})
        elif answer.text and answer.finish != "refusal":
            content.append({"type": "text", "text": answer.text})
        return {
            "id": f"msg_{answer.digest[:12].hex()}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {
                "input_tokens": answer.input_tokens,
                # Nothing is cached unless a request asks for it with cache_control.
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": answer.output_tokens,
                "output_tokens_details": {"thinking_tokens": answer.reasoning_tokens},
                "service_tier": service_tier,
            },
        }

    def format_rejection(self, batch: Batch, row: Row) -> ResultLine:
        """The result line of a rejected request."""
        assert row.rejection is not None
        return _errored(row.custom_id, row.rejection.type, row.rejection.message)

    def rejection_for(self, status: int, message: str) -> Rejection:
        """The error of a request that failed with this HTTP status."""
        return Rejection(status, ERROR_TYPES.get(status, "api_error"), message)

    def format_unfinished(self, batch: Batch, row: Row) -> ResultLine:
        """The result line of a request that was not processed."""
        if batch.cancelled is not None:
            return _result_line(row.custom_id, {"type": "canceled"}, "cancelled")
        return _result_line(row.custom_id, {"type": "expired"}, "expired")

    def result_file_ids(self, batch: Batch) -> tuple[str, str | None]:
        """The ids of the result file and the error file."""
        return f"{batch.id}-results", None


def _result_line(custom_id: str, result: dict[str, Any], outcome: Any) -> ResultLine:
    return ResultLine(orjson.dumps({"custom_id": custom_id, "result": result}) + b"\n", outcome)


def _errored(custom_id: str, type_: str, message: str) -> ResultLine:
    request_id = "req_" + hashlib.blake2b(custom_id.encode(), digest_size=12).hexdigest()
    inner = {"type": "error", "error": {"type": type_, "message": message}, "request_id": request_id}
    return _result_line(custom_id, {"type": "errored", "error": inner}, "errored")


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(block.get("text", "")) for block in content if block.get("type") == "text")


def _forced_tool(params: dict[str, Any]) -> dict[str, Any] | None:
    tools = objects_in(params, "tools")
    choice = object_in(params, "tool_choice")
    if not tools or choice.get("type") == "none":
        return None
    if choice.get("type") == "tool":
        return next((tool for tool in tools if tool["name"] == choice["name"]), None)
    return tools[0]
