"""Which requests the Messages API rejects, and why; written from Anthropic's documents."""

import re
from functools import lru_cache
from typing import Any, cast

import orjson

from grabient_pipeline.sandbox.batches.dialect import Rejection
from grabient_pipeline.sandbox.capabilities import ModelCapabilities
from grabient_pipeline.sandbox.json_schemas import schema_parts
from grabient_pipeline.sandbox.json_values import as_object, names_in, object_in, objects_in
from grabient_pipeline.sandbox.pictures import MEDIA_TYPES, BadPictureError, Picture, read_picture

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
_UNSUPPORTED_KEYWORDS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems",
    "uniqueItems", "minProperties", "maxProperties", "not", "if",
)  # fmt: skip


def find_rejection(params: dict[str, Any], capabilities: ModelCapabilities | None, version: str) -> Rejection | None:
    """Why the Messages API rejects these parameters, or None; `capabilities` are None for an unknown model."""
    for name in ("model", "max_tokens", "messages"):
        if name not in params:
            return _invalid(f"{name}: Field required")
    if capabilities is None:
        return Rejection(404, "not_found_error", f"model: {params['model']}")
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
        _check_limits(params, capabilities)
        or _check_sampling(params, capabilities)
        or _check_messages(params)
        or _check_pictures(params, capabilities)
        or _check_thinking(params, capabilities)
        or _check_tools(params)
        or _check_output(params.get("output_config"), capabilities)
    )


def _invalid(message: str) -> Rejection:
    return Rejection(400, "invalid_request_error", message)


def _check_limits(params: dict[str, Any], capabilities: ModelCapabilities) -> Rejection | None:
    limit = params["max_tokens"]
    if not isinstance(limit, int) or isinstance(limit, bool):
        return _invalid("max_tokens: Input should be a valid integer")
    if limit < 1:
        return _invalid("max_tokens: Input should be greater than or equal to 1")
    if limit > capabilities.max_output_tokens:
        most = capabilities.max_output_tokens
        return _invalid(
            f"max_tokens: {limit} > {most}, which is the maximum allowed number of output tokens "
            f"for {capabilities.model}"
        )
    return None


def _check_sampling(params: dict[str, Any], capabilities: ModelCapabilities) -> Rejection | None:
    for name in ("temperature", "top_p"):
        value = params.get(name)
        if value is not None and not (isinstance(value, (int, float)) and 0 <= value <= 1):
            return _invalid(f"{name}: Input should be between 0 and 1")
        if value not in (None, 1) and not capabilities.sampling:
            return _invalid(f"`{name}` may only be set to 1 for {capabilities.model}")
    if "temperature" in params and "top_p" in params and "3-5" not in params["model"]:
        return _invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    return None


def _check_messages(params: dict[str, Any]) -> Rejection | None:
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


def pictures_in(params: dict[str, Any]) -> list[tuple[str, Any]]:
    """The pictures of a request as (place, source)."""
    return [
        (f"messages.{place}.content.{number}.image.source", block.get("source"))
        for place, message in enumerate(params["messages"])
        if isinstance(message["content"], list)
        for number, block in enumerate(message["content"])
        if block["type"] == "image"
    ]


def picture_of(source: dict[str, Any]) -> Picture:
    """The picture of a source in base64. Raises `BadPictureError`."""
    return read_picture(source["media_type"], source["data"])


def _check_pictures(params: dict[str, Any], capabilities: ModelCapabilities) -> Rejection | None:
    for place, found in pictures_in(params):
        if capabilities.images is None:
            return _invalid(f"{place}: '{capabilities.model}' does not support image input.")
        source = as_object(found)
        if source.get("type") != "base64":
            return _invalid(f"{place}: Input should be a source of type 'base64', which is all that is served here")
        if source.get("media_type") not in MEDIA_TYPES:
            return _invalid(f"{place}.base64.media_type: Input should be one of {', '.join(map(repr, MEDIA_TYPES))}")
        if not isinstance(source.get("data"), str) or not source["data"]:
            return _invalid(f"{place}.base64.data: Field required")
        try:
            picture_of(source)
        except BadPictureError as problem:
            if not problem.is_base64:
                return _invalid(f"{place}.base64: invalid base64 data")
            return _invalid(f"{place}.base64.data: Image does not match the provided media type {source['media_type']}")
    return None


def _check_thinking(params: dict[str, Any], capabilities: ModelCapabilities) -> Rejection | None:
    thinking = params.get("thinking")
    if thinking is None:
        return None
    if capabilities.thinking in ("adaptive", "always"):
        kinds = ("adaptive", "disabled") if capabilities.thinking == "adaptive" else ("adaptive",)
        kind = thinking.get("type")
        return None if kind in kinds else _invalid(f'"thinking.type.{kind}" is not supported for this model')
    return None if thinking.get("type") == "disabled" else _check_budget(thinking, params, capabilities)


def _check_budget(
    thinking: dict[str, Any], params: dict[str, Any], capabilities: ModelCapabilities
) -> Rejection | None:
    if capabilities.thinking != "budget":
        return _invalid(f"thinking: {capabilities.model} does not support thinking")
    if thinking.get("type") != "enabled":
        return _invalid(f"thinking.type: {thinking.get('type')} is not supported on {capabilities.model}")
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


def _check_tools(params: dict[str, Any]) -> Rejection | None:
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


def _check_output(output: Any, capabilities: ModelCapabilities) -> Rejection | None:
    if output is None:
        return None
    if capabilities.json_schema == "none":
        return _invalid(f"output_config: '{capabilities.model}' does not support output_config.")
    for name in output:
        if name not in ("format", "effort"):
            return _invalid(f"output_config.{name}: Extra inputs are not permitted")
    effort = output.get("effort")
    if effort is not None and effort not in capabilities.efforts:
        return _invalid(f"output_config.effort: '{effort}' is not supported on {capabilities.model}")
    wanted = output.get("format")
    if wanted is None:
        return None
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        return _invalid("output_config.format: Input should be of type 'json_schema' with a schema")
    unknown = wanted.keys() - {"type", "schema"}
    if unknown:
        return _invalid(f"output_config.format.json_schema.{min(unknown)}: Extra inputs are not permitted")
    problem = _schema_problem(orjson.dumps(wanted["schema"]))
    return _invalid(f"output_config.format.schema: {problem}") if problem else None


@lru_cache(maxsize=64)
def _schema_problem(raw: bytes) -> str | None:
    """Why `output_config` rejects this schema, or None."""
    for _path, part in schema_parts(orjson.loads(raw)):
        kind = part.get("type")
        for keyword in _UNSUPPORTED_KEYWORDS:
            if keyword in part:
                return f"For '{kind}' type, property '{keyword}' is not supported"
        if int(part.get("minItems", 0)) > 1:
            return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
        if kind == "object" and part.get("additionalProperties") is not False:
            return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    return None
