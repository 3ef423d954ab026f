"""Requests as Anthropic reads them, in a batch or alone: what is asked, why it is refused, what is answered."""

import hashlib
import re
from pathlib import Path
from typing import Any, cast

import orjson

from grabient_pipeline.sandbox.abilities import Ability, ability_of
from grabient_pipeline.sandbox.answers import Answer
from grabient_pipeline.sandbox.asked import Asked
from grabient_pipeline.sandbox.documents import names_in, object_in, objects_in
from grabient_pipeline.sandbox.production import Refusal, Row, Written, checked
from grabient_pipeline.sandbox.schemas import anthropic_problem
from grabient_pipeline.sandbox.store import Batch

# From this version on the API takes no sampling parameters, not even inside of a batch.
_NO_SAMPLING_SINCE = "2026-10-21"
_SAMPLING = ("temperature", "top_p", "top_k")
_PARAMS = names_in(
    """
    model max_tokens messages system metadata stop_sequences thinking tools tool_choice output_config
    service_tier temperature top_p top_k cache_control container context_management inference_geo mcp_servers
    stream
    """
)
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicDialect:
    """Requests to the Messages API and rows of a batch."""

    def problems(self, batch: Batch, path: Path) -> list[dict[str, Any]]:
        # Whatever concerns the whole batch was refused at creation.
        return []

    def read(self, batch: Batch, line: bytes) -> Row:
        row = orjson.loads(line)
        return self.request(row["custom_id"], row["params"], batch.details["version"])

    def request(self, custom_id: str, params: dict[str, Any], version: str) -> Row:
        """A request with these parameters under this version of the API."""
        found = checked(lambda: self._read(custom_id, params, version))
        if isinstance(found, Refusal):
            return Row(custom_id, str(params.get("model")), refusal=found)
        return found

    def _read(self, custom_id: str, params: dict[str, Any], version: str) -> Row | Refusal:
        model = params.get("model")
        ability = ability_of("anthropic", model) if isinstance(model, str) else None
        refusal = _refusal(params, ability, version)
        if refusal is not None or ability is None:
            return refusal or _invalid("model: unknown")
        asked = Asked(_text(params.get("system")), "\n".join(_text(m["content"]) for m in params["messages"]))
        asked.output_limit = params["max_tokens"]
        wanted = object_in(object_in(params, "output_config"), "format")
        tool = _forced_tool(params)
        if tool is not None:
            asked.form, asked.schema = "tool", tool["input_schema"]
        elif wanted:
            asked.form, asked.schema = "schema", wanted["schema"]
        thinking = object_in(params, "thinking")
        if thinking.get("type") == "enabled":
            asked.effort, asked.reasoning = str(thinking["budget_tokens"]), "field"
        return Row(custom_id, ability.model, asked, extra=(ability.answers_as, tool and tool["name"]))

    def answered(self, batch: Batch, row: Row, answer: Answer) -> Written:
        if answer.finish == "overloaded":
            failure = self.overload(answer)
            return _errored(row.custom_id, failure.type, failure.message)
        message = self.message(row, answer, "batch")
        return _written(row.custom_id, {"type": "succeeded", "message": message}, "succeeded")

    def overload(self, answer: Answer) -> Refusal:
        """What is told when the model could not answer."""
        return self.failure(529 if answer.noise[40] & 1 else 500, "Overloaded")

    @staticmethod
    def message(row: Row, answer: Answer, service_tier: str) -> dict[str, Any]:
        """What the model said, as a message."""
        model, tool = row.extra
        content: list[dict[str, Any]] = []
        if answer.reasoning:
            content.append({"type": "thinking", "thinking": answer.reasoning, "signature": answer.noise.hex()})
        stop = {"length": "max_tokens", "refusal": "refusal"}.get(answer.finish, "end_turn")
        if tool and answer.finish == "stop":
            call = {"type": "tool_use", "id": f"toolu_{answer.noise[:12].hex()}", "name": tool, "input": answer.value}
            content.append(call)
            stop = "tool_use"
        elif tool and answer.finish == "length":
            content.append({"type": "tool_use", "id": f"toolu_{answer.noise[:12].hex()}", "name": tool, "input": {}})
        elif answer.text and answer.finish != "refusal":
            content.append({"type": "text", "text": answer.text})
        return {
            "id": f"msg_{answer.noise[:12].hex()}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {
                "input_tokens": answer.input_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": answer.output_tokens,
                "service_tier": service_tier,
            },
        }

    def refused(self, batch: Batch, row: Row) -> Written:
        assert row.refusal is not None
        return _errored(row.custom_id, row.refusal.type, row.refusal.message)

    def failure(self, status: int, message: str) -> Refusal:
        return Refusal(status, ERROR_TYPES.get(status, "api_error"), message)

    def unfinished(self, batch: Batch, row: Row) -> Written:
        if batch.cancelled is not None:
            return _written(row.custom_id, {"type": "canceled"}, "cancelled")
        return _written(row.custom_id, {"type": "expired"}, "expired")

    def result_names(self, batch: Batch) -> tuple[str, str | None]:
        return f"{batch.id}-results", None


def _written(custom_id: str, result: dict[str, Any], fate: Any) -> Written:
    return Written(orjson.dumps({"custom_id": custom_id, "result": result}) + b"\n", fate)


def _errored(custom_id: str, type_: str, message: str) -> Written:
    request_id = "req_" + hashlib.blake2b(custom_id.encode(), digest_size=12).hexdigest()
    inner = {"type": "error", "error": {"type": type_, "message": message}, "request_id": request_id}
    return _written(custom_id, {"type": "errored", "error": inner}, "errored")


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


def _refusal(params: dict[str, Any], ability: Ability | None, version: str) -> Refusal | None:
    """Why the Messages API refuses these parameters; in a batch it says so only in the row's result."""
    for name in ("model", "max_tokens", "messages"):
        if name not in params:
            return _invalid(f"{name}: Field required")
    if ability is None:
        return Refusal(404, "not_found_error", f"model: {params['model']}")
    if version >= _NO_SAMPLING_SINCE:
        for name in _SAMPLING:
            if name in params:
                return _invalid(f"{name}: Extra inputs are not permitted")
    for name in params:
        if name not in _PARAMS:
            return _invalid(f"{name}: Extra inputs are not permitted")
    if params.get("stream"):
        return _invalid("stream: streaming is not supported here")
    return (
        _limit_refusal(params, ability)
        or _sampling_refusal(params)
        or _message_refusal(params)
        or _thinking_refusal(params, ability)
        or _tool_refusal(params)
        or _output_refusal(params.get("output_config"), ability)
    )


def _invalid(message: str) -> Refusal:
    return Refusal(400, "invalid_request_error", message)


def _limit_refusal(params: dict[str, Any], ability: Ability) -> Refusal | None:
    limit = params["max_tokens"]
    if not isinstance(limit, int) or isinstance(limit, bool):
        return _invalid("max_tokens: Input should be a valid integer")
    if limit < 1:
        return _invalid("max_tokens: Input should be greater than or equal to 1")
    if limit > ability.max_output_tokens:
        most = ability.max_output_tokens
        return _invalid(
            f"max_tokens: {limit} > {most}, which is the maximum allowed number of output tokens for {ability.model}"
        )
    return None


def _sampling_refusal(params: dict[str, Any]) -> Refusal | None:
    for name in ("temperature", "top_p"):
        value = params.get(name)
        if value is not None and not (isinstance(value, (int, float)) and 0 <= value <= 1):
            return _invalid(f"{name}: Input should be between 0 and 1")
    if "temperature" in params and "top_p" in params and "3-5" not in params["model"]:
        return _invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    return None


def _message_refusal(params: dict[str, Any]) -> Refusal | None:
    messages = params["messages"]
    if not isinstance(messages, list) or not messages:
        return _invalid("messages: at least one message is required")
    for place, message in enumerate(cast(list[Any], messages)):
        if not isinstance(message, dict) or "role" not in message or "content" not in message:
            return _invalid(f"messages.{place}: role and content are required")
        role, content = cast(dict[str, Any], message)["role"], cast(dict[str, Any], message)["content"]
        if role not in ("user", "assistant"):
            return _invalid(
                f'messages: Unexpected role "{role}". The system prompt is the top-level `system` parameter'
            )
        if not content:
            return _invalid(f"messages.{place}: content must be non-empty")
        if not isinstance(content, str) and not all(
            isinstance(block, dict) and "type" in block for block in cast(list[Any], content)
        ):
            return _invalid(f"messages.{place}.content: Input should be a valid list of content blocks")
    return None


def _thinking_refusal(params: dict[str, Any], ability: Ability) -> Refusal | None:
    thinking = params.get("thinking")
    if thinking is None or thinking.get("type") == "disabled":
        return None
    if ability.thinking != "budget":
        return _invalid(f"thinking: {ability.model} does not support thinking")
    if thinking.get("type") != "enabled":
        return _invalid(f"thinking.type: {thinking.get('type')} is not supported on {ability.model}")
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < 1024:
        return _invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if budget >= params["max_tokens"]:
        return _invalid("`max_tokens` must be greater than `thinking.budget_tokens`")
    if params.get("temperature", 1) != 1:
        return _invalid("`temperature` may only be set to 1 when thinking is enabled")
    if object_in(params, "tool_choice").get("type") in ("tool", "any"):
        return _invalid("Thinking may not be enabled when tool_choice forces tool use.")
    return None


def _tool_refusal(params: dict[str, Any]) -> Refusal | None:
    tools = objects_in(params, "tools")
    for place, tool in enumerate(tools):
        if not isinstance(tool.get("name"), str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool["name"]):
            return _invalid(f"tools.{place}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if object_in(tool, "input_schema").get("type") != "object":
            return _invalid(f"tools.{place}.custom.input_schema.type: Input should be 'object'")
    choice = params.get("tool_choice")
    if choice is None:
        return None
    if not tools:
        return _invalid("tool_choice: tools must be given when a tool choice is")
    if choice.get("type") not in ("auto", "any", "tool", "none"):
        return _invalid("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if choice["type"] == "tool" and choice.get("name") not in [tool["name"] for tool in tools]:
        return _invalid(f"Tool '{choice.get('name')}' not found in provided tools")
    return None


def _output_refusal(output: Any, ability: Ability) -> Refusal | None:
    if output is None:
        return None
    if ability.json_schema == "none":
        return _invalid(f"output_config: '{ability.model}' does not support output_config.")
    for name in output:
        if name not in ("format", "effort"):
            return _invalid(f"output_config.{name}: Extra inputs are not permitted")
    effort = output.get("effort")
    if effort is not None and effort not in ability.efforts:
        return _invalid(f"output_config.effort: '{effort}' is not supported on {ability.model}")
    wanted = output.get("format")
    if wanted is None:
        return None
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        return _invalid("output_config.format: Input should be of type 'json_schema' with a schema")
    strangers = wanted.keys() - {"type", "schema"}
    if strangers:
        return _invalid(f"output_config.format.json_schema.{min(strangers)}: Extra inputs are not permitted")
    problem = anthropic_problem(wanted["schema"])
    return _invalid(f"output_config.format.schema: {problem}") if problem else None
