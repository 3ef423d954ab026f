"""Chat completion requests as OpenAI and Groq read them: what is asked, or why it is refused with a status 400."""

import re
from typing import Any, Literal, cast

from grabient_pipeline.sandbox.abilities import Ability
from grabient_pipeline.sandbox.asked import Asked
from grabient_pipeline.sandbox.documents import names_in, object_in
from grabient_pipeline.sandbox.production import Refusal
from grabient_pipeline.sandbox.schemas import strict_problem

_SHARED = names_in(
    """
    model messages max_tokens max_completion_tokens temperature top_p response_format reasoning_effort seed n stop
    presence_penalty frequency_penalty logit_bias logprobs top_logprobs tools tool_choice parallel_tool_calls user
    service_tier stream stream_options functions function_call
    """
)
_KNOWN = {
    "openai": _SHARED
    | names_in(
        """
        verbosity metadata store safety_identifier prompt_cache_key prompt_cache_retention prediction modalities audio
        web_search_options
        """
    ),
    "groq": _SHARED
    | names_in(
        """
        reasoning_format include_reasoning documents search_settings citation_options disable_tool_validation
        compound_custom
        """
    ),
}
_SCHEMA_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_REASONING: dict[str, Literal["inline", "field", "hidden"]] = {"raw": "inline", "parsed": "field"}
_UNTUNABLE = ("top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
_UNTUNED = {"top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False}


def asked_of(body: dict[str, Any], ability: Ability) -> Asked:
    """What an accepted request asks for."""
    system: list[str] = []
    user: list[str] = []
    for message in body["messages"]:
        (system if message["role"] in ("system", "developer") else user).append(_text(message.get("content")))
    asked = Asked("\n".join(system), "\n".join(user))
    asked.output_limit = body.get("max_completion_tokens") or body.get("max_tokens") or ability.max_output_tokens
    wanted = object_in(body, "response_format")
    if wanted.get("type") == "json_object":
        asked.form = "json"
    elif wanted.get("type") == "json_schema":
        asked.schema = object_in(object_in(wanted, "json_schema"), "schema")
        asked.form = "schema"
    effort = body.get("reasoning_effort") or ability.default_effort
    asked.effort = effort
    if ability.thinking == "format":
        # Without a wish, reasoning stands in the text; JSON mode moves it out of the way.
        chosen = body.get("reasoning_format") or ("raw" if asked.form == "text" else "parsed")
        asked.reasoning = _REASONING.get(chosen, "hidden")
    elif ability.thinking == "include":
        asked.reasoning = "hidden" if body.get("include_reasoning") is False else "field"
    return asked


def refusal_of(body: dict[str, Any], ability: Ability) -> Refusal | None:
    """Why the model's endpoint refuses this body, or None."""
    if not body.keys() <= _KNOWN[ability.provider]:
        return _unrecognized(min(body.keys() - _KNOWN[ability.provider]), ability)
    if body.get("metadata") is not None and not body.get("store"):
        return _bad("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata")
    return (
        _message_refusal(body)
        or _limit_refusal(body, ability)
        or _sampling_refusal(body, ability)
        or _reasoning_refusal(body, ability)
        or _format_refusal(body, ability)
    )


def _bad(message: str, param: str | None, code: str | None = None) -> Refusal:
    return Refusal(400, "invalid_request_error", message, param, code)


def _unrecognized(name: str, ability: Ability) -> Refusal:
    if ability.provider == "groq":
        return _bad(f"property '{name}' is unsupported", None)
    return _bad(f"Unrecognized request argument supplied: {name}", None)


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


def _message_refusal(body: dict[str, Any]) -> Refusal | None:
    messages = body.get("messages")
    if messages is None:
        return _bad("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if not isinstance(messages, list) or not messages:
        return _bad(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages", "empty_array"
        )
    for place, message in enumerate(cast(list[Any], messages)):
        if not isinstance(message, dict):
            return _bad(
                f"Invalid type for 'messages[{place}]': expected an object.", f"messages[{place}]", "invalid_type"
            )
        role = cast(dict[str, Any], message).get("role")
        if role not in ("system", "developer", "user", "assistant", "tool"):
            return _bad(
                f"Invalid value: '{role}' for 'messages[{place}].role'.", f"messages[{place}].role", "invalid_value"
            )
        content = cast(dict[str, Any], message).get("content")
        if role in ("system", "developer", "user") and not isinstance(content, (str, list)):
            param = f"messages[{place}].content"
            return _bad(f"Invalid value for '{param}': expected a string or an array, got null.", param, "invalid_type")
    if body.get("stream"):
        return _bad("Streaming is not supported here.", "stream", "unsupported_value")
    return None


def _limit_refusal(body: dict[str, Any], ability: Ability) -> Refusal | None:
    if "max_tokens" in body and not ability.takes_max_tokens:
        return _bad(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    for name in ("max_tokens", "max_completion_tokens"):
        limit = body.get(name)
        if limit is None:
            continue
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            return _bad(f"Invalid '{name}': expected an integer of at least 1.", name, "integer_below_min_value")
        if limit > ability.max_output_tokens:
            return _bad(
                f"{name} is too large: {limit}. This model supports at most {ability.max_output_tokens} "
                "completion tokens.",
                name,
                "invalid_value",
            )
    if "max_tokens" in body and "max_completion_tokens" in body:
        return _bad(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )
    return None


def _sampling_refusal(body: dict[str, Any], ability: Ability) -> Refusal | None:
    temperature = body.get("temperature")
    if temperature is not None:
        if not isinstance(temperature, (int, float)) or not 0 <= temperature <= 2:
            return _bad(f"Invalid 'temperature': {temperature} is not between 0 and 2.", "temperature", "invalid_value")
        if not ability.sampling and temperature != 1:
            return _bad(
                f"Unsupported value: 'temperature' does not support {temperature} with this model. Only the default "
                "(1) value is supported.",
                "temperature",
                "unsupported_value",
            )
    if not ability.sampling:
        for name in _UNTUNABLE:
            if name in body and body[name] is not None and body[name] != _UNTUNED.get(name):
                return _bad(
                    f"Unsupported parameter: '{name}' is not supported with this model.", name, "unsupported_parameter"
                )
    if ability.provider == "groq":
        if body.get("n", 1) != 1:
            return _bad("'n' : number must be at most 1", "n")
        for name in ("logprobs", "logit_bias", "top_logprobs"):
            if body.get(name):
                return _bad(f"`{name}` is not supported with this model", name)
    return None


def _reasoning_refusal(body: dict[str, Any], ability: Ability) -> Refusal | None:
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in ability.efforts:
        if ability.provider == "openai" and not ability.efforts:
            return _unrecognized("reasoning_effort", ability)
        if not ability.efforts:
            return _bad("reasoning_effort is not supported with this model", "reasoning_effort")
        allowed = ", ".join(f"'{each}'" for each in ability.efforts)
        return _bad(
            f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. Supported values are: "
            f"{allowed}.",
            "reasoning_effort",
            "unsupported_value",
        )
    verbosity = body.get("verbosity")
    if verbosity is not None and (
        verbosity not in ("low", "medium", "high") or (ability.sampling and verbosity != "medium")
    ):
        return _bad(
            f"Unsupported value: 'verbosity' does not support '{verbosity}' with this model.",
            "verbosity",
            "unsupported_value",
        )
    shown = body.get("reasoning_format")
    if shown is not None and "include_reasoning" in body:
        return _bad("reasoning_format and include_reasoning are mutually exclusive", "reasoning_format")
    if shown is not None and ability.thinking != "format":
        return _bad("reasoning_format is not supported with this model", "reasoning_format")
    if shown is not None and shown not in ("hidden", "raw", "parsed"):
        return _bad("reasoning_format must be one of 'hidden', 'raw', 'parsed'", "reasoning_format")
    if "include_reasoning" in body and ability.thinking not in ("include", "format"):
        return _bad("include_reasoning is not supported with this model", "include_reasoning")
    wanted = object_in(body, "response_format").get("type", "text")
    if shown == "raw" and (wanted != "text" or body.get("tools")):
        return _bad("reasoning_format must be 'parsed' or 'hidden' with JSON mode or tools", "reasoning_format")
    return None


def _format_refusal(body: dict[str, Any], ability: Ability) -> Refusal | None:
    wanted = body.get("response_format")
    if wanted is None:
        return None
    kind = wanted.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        return _bad(f"Invalid value: '{kind}' for 'response_format.type'.", "response_format.type", "invalid_value")
    if kind == "json_object":
        if not any("json" in _text(message.get("content")).lower() for message in body["messages"]):
            return _bad(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                "messages",
            )
        return None
    if kind == "text":
        return None
    if ability.json_schema == "none":
        return _bad("This model does not support response format `json_schema`.", "response_format")
    described = wanted.get("json_schema")
    if not isinstance(described, dict):
        return _bad("Missing required parameter: 'response_format.json_schema'.", "response_format.json_schema",
                    "missing_required_parameter")  # fmt: skip
    return _schema_refusal(cast(dict[str, Any], described), ability)


def _schema_refusal(described: dict[str, Any], ability: Ability) -> Refusal | None:
    strangers = described.keys() - {"name", "description", "schema", "strict"}
    if strangers:
        name = min(strangers)
        return _bad(f"Unknown parameter: 'response_format.json_schema.{name}'.", f"response_format.json_schema.{name}",
                    "unknown_parameter")  # fmt: skip
    name = described.get("name")
    if not isinstance(name, str) or not _SCHEMA_NAME.fullmatch(name):
        param = "response_format.json_schema.name"
        return _bad(f"Invalid '{param}': expected a string of the pattern '^[a-zA-Z0-9_-]+$'.", param, "invalid_value")
    schema = described.get("schema")
    if not described.get("strict"):
        return None
    if ability.json_schema != "strict":
        return _bad("This model does not support strict mode of response format `json_schema`.", "response_format")
    if not isinstance(schema, dict):
        param = "response_format.json_schema.schema"
        return _bad(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    problem = strict_problem(cast(dict[str, Any], schema))
    if problem is None:
        return None
    return _bad(f"Invalid schema for response_format '{name}': {problem}", "response_format", "invalid_json_schema")
