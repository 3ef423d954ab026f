"""Which chat completions OpenAI and Groq reject with a status 400, and why; written from their documents."""

import re
from functools import lru_cache
from typing import Any, cast

import orjson

from grabient_pipeline.sandbox.batches.dialect import Rejection
from grabient_pipeline.sandbox.capabilities import ModelCapabilities
from grabient_pipeline.sandbox.json_schemas import schema_parts
from grabient_pipeline.sandbox.json_values import as_object, object_in
from grabient_pipeline.sandbox.pictures import MEDIA_TYPES, BadPictureError, Picture, read_picture
from grabient_pipeline.sandbox.providers.openai.flavour import ChatFlavour

_SCHEMA_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_UNTUNABLE = ("top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
_UNTUNED = {"top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False}
_NEVER_IN_STRICT_MODE = ("allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "uniqueItems")


def find_rejection(body: dict[str, Any], capabilities: ModelCapabilities, flavour: ChatFlavour) -> Rejection | None:
    """Why the model's endpoint rejects this body, or None."""
    if not body.keys() <= flavour.fields:
        return _invalid(flavour.unknown_field.format(name=min(body.keys() - flavour.fields)), None)
    if body.get("metadata") is not None and not body.get("store"):
        return _invalid("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata")
    return (
        _check_messages(body)
        or _check_pictures(body, capabilities, flavour)
        or _check_limits(body, capabilities)
        or _check_sampling(body, capabilities, flavour)
        or _check_reasoning(body, capabilities, flavour)
        or _check_format(body, capabilities)
        or _check_tier(body, capabilities, flavour)
    )


def _invalid(message: str, param: str | None, code: str | None = None) -> Rejection:
    return Rejection(400, "invalid_request_error", message, param, code)


def text_of(content: Any) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


def _check_messages(body: dict[str, Any]) -> Rejection | None:
    messages = body.get("messages")
    if messages is None:
        return _invalid("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if not isinstance(messages, list) or not messages:
        return _invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages", "empty_array"
        )
    for place, message in enumerate(cast(list[Any], messages)):
        if not isinstance(message, dict):
            return _invalid(
                f"Invalid type for 'messages[{place}]': expected an object.", f"messages[{place}]", "invalid_type"
            )
        role = cast(dict[str, Any], message).get("role")
        if role not in ("system", "developer", "user", "assistant", "tool"):
            return _invalid(
                f"Invalid value: '{role}' for 'messages[{place}].role'.", f"messages[{place}].role", "invalid_value"
            )
        content = cast(dict[str, Any], message).get("content")
        if role in ("system", "developer", "user") and not isinstance(content, (str, list)):
            param = f"messages[{place}].content"
            return _invalid(
                f"Invalid value for '{param}': expected a string or an array, got null.", param, "invalid_type"
            )
    if body.get("stream"):
        return _invalid("Streaming is not supported here.", "stream", "unsupported_value")
    return None


def pictures_in(body: dict[str, Any]) -> list[tuple[int, Any]]:
    """The pictures of a body as (place of the message, value of `image_url`)."""
    return [
        (place, part.get("image_url"))
        for place, message in enumerate(body["messages"])
        if isinstance(message.get("content"), list)
        for part in message["content"]
        if part.get("type") == "image_url"
    ]


def picture_of(image: dict[str, Any]) -> Picture:
    """The picture of an `image_url`, which is a data URL. Raises `BadPictureError`."""
    header, _, data = str(image["url"]).partition(",")
    return read_picture(header.removeprefix("data:").removesuffix(";base64"), data)


def _check_pictures(body: dict[str, Any], capabilities: ModelCapabilities, flavour: ChatFlavour) -> Rejection | None:
    for place, found in pictures_in(body):
        image = as_object(found)
        param = f"messages.[{place}].content"
        if capabilities.images is None:
            return _invalid(flavour.no_images.format(place=place), param)
        if body["messages"][place]["role"] != "user":
            return _invalid("Image URLs are only allowed for messages with role 'user'.", param)
        url, detail = image.get("url"), image.get("detail", "auto")
        if not isinstance(url, str):
            return _invalid(f"Missing required parameter: '{param}.image_url.url'.", param)
        if detail not in flavour.details:
            return _invalid(f"Invalid value: '{detail}' for the detail of an image.", param, "invalid_value")
        if not re.match(r"data:[\w/+.-]+;base64,", url):
            return _invalid("Only images as data URLs in base64 are served here.", param, "invalid_image_url")
        if url[5 : url.index(";")] not in MEDIA_TYPES:
            return _invalid("Invalid MIME type. Only image types are supported.", param, "invalid_image_format")
        try:
            picture_of(image)
        except BadPictureError as problem:
            if not problem.is_base64:
                return _invalid("Invalid base64 image_url.", param, "invalid_base64")
            message = "You uploaded an unsupported image. Please make sure your image is valid."
            return _invalid(message, param, "invalid_image_format")
    return None


def _check_limits(body: dict[str, Any], capabilities: ModelCapabilities) -> Rejection | None:
    if "max_tokens" in body and not capabilities.takes_max_tokens:
        return _invalid(
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
            return _invalid(f"Invalid '{name}': expected an integer of at least 1.", name, "integer_below_min_value")
        if limit > capabilities.max_output_tokens:
            return _invalid(
                f"{name} is too large: {limit}. This model supports at most {capabilities.max_output_tokens} "
                "completion tokens.",
                name,
                "invalid_value",
            )
    if "max_tokens" in body and "max_completion_tokens" in body:
        return _invalid(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )
    return None


def _check_sampling(body: dict[str, Any], capabilities: ModelCapabilities, flavour: ChatFlavour) -> Rejection | None:
    return (
        _check_temperature(body.get("temperature"), capabilities)
        or (None if capabilities.sampling else _check_fixed_sampling(body))
        or (_check_single_choice(body) if flavour.single_choice else None)
    )


def _check_temperature(temperature: Any, capabilities: ModelCapabilities) -> Rejection | None:
    if temperature is None:
        return None
    if not isinstance(temperature, (int, float)) or not 0 <= temperature <= 2:
        return _invalid(f"Invalid 'temperature': {temperature} is not between 0 and 2.", "temperature", "invalid_value")
    if not capabilities.sampling and temperature != 1:
        return _invalid(
            f"Unsupported value: 'temperature' does not support {temperature} with this model. Only the default "
            "(1) value is supported.",
            "temperature",
            "unsupported_value",
        )
    return None


def _check_fixed_sampling(body: dict[str, Any]) -> Rejection | None:
    for name in _UNTUNABLE:
        if name in body and body[name] is not None and body[name] != _UNTUNED.get(name):
            return _invalid(
                f"Unsupported parameter: '{name}' is not supported with this model.", name, "unsupported_parameter"
            )
    return None


def _check_single_choice(body: dict[str, Any]) -> Rejection | None:
    if body.get("n", 1) != 1:
        return _invalid("'n' : number must be at most 1", "n")
    for name in ("logprobs", "logit_bias", "top_logprobs"):
        if body.get(name):
            return _invalid(f"`{name}` is not supported with this model", name)
    return None


def _check_reasoning(body: dict[str, Any], capabilities: ModelCapabilities, flavour: ChatFlavour) -> Rejection | None:
    return _check_effort(body, capabilities, flavour) or _check_reasoning_output(body, capabilities)


def _check_effort(body: dict[str, Any], capabilities: ModelCapabilities, flavour: ChatFlavour) -> Rejection | None:
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in capabilities.efforts:
        if not capabilities.efforts:
            return flavour.no_effort
        allowed = ", ".join(f"'{each}'" for each in capabilities.efforts)
        return _invalid(
            f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. Supported values are: "
            f"{allowed}.",
            "reasoning_effort",
            "unsupported_value",
        )
    verbosity = body.get("verbosity")
    if verbosity is not None and (
        verbosity not in ("low", "medium", "high") or (capabilities.sampling and verbosity != "medium")
    ):
        return _invalid(
            f"Unsupported value: 'verbosity' does not support '{verbosity}' with this model.",
            "verbosity",
            "unsupported_value",
        )
    return None


def _check_reasoning_output(body: dict[str, Any], capabilities: ModelCapabilities) -> Rejection | None:
    shown = body.get("reasoning_format")
    if shown is not None and "include_reasoning" in body:
        return _invalid("reasoning_format and include_reasoning are mutually exclusive", "reasoning_format")
    if shown is not None and capabilities.thinking != "format":
        return _invalid("reasoning_format is not supported with this model", "reasoning_format")
    if shown is not None and shown not in ("hidden", "raw", "parsed"):
        return _invalid("reasoning_format must be one of 'hidden', 'raw', 'parsed'", "reasoning_format")
    if "include_reasoning" in body and capabilities.thinking not in ("include", "format"):
        return _invalid("include_reasoning is not supported with this model", "include_reasoning")
    wanted = object_in(body, "response_format").get("type", "text")
    if shown == "raw" and (wanted != "text" or body.get("tools")):
        return _invalid("reasoning_format must be 'parsed' or 'hidden' with JSON mode or tools", "reasoning_format")
    return None


def _check_tier(body: dict[str, Any], capabilities: ModelCapabilities, flavour: ChatFlavour) -> Rejection | None:
    wanted = body.get("service_tier")
    if wanted is None or not flavour.tiers:
        return None
    if wanted not in flavour.tiers:
        known = ", ".join(f"'{tier}'" for tier in flavour.tiers)
        message = f"Invalid value: '{wanted}'. Supported values are: {known}."
        return _invalid(message, "service_tier", "invalid_value")
    tier = flavour.tiers[wanted]
    return None if tier == "default" or tier in capabilities.tiers else refused_tier(wanted, capabilities.model)


def refused_tier(tier: str, model: str) -> Rejection:
    """The rejection of a service tier that a model does not have. The wording is the sandbox's own."""
    return _invalid(f"Invalid service_tier argument: '{tier}' is not available for {model}.", "service_tier")


def _check_format(body: dict[str, Any], capabilities: ModelCapabilities) -> Rejection | None:
    wanted = body.get("response_format")
    if wanted is None:
        return None
    kind = wanted.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        return _invalid(f"Invalid value: '{kind}' for 'response_format.type'.", "response_format.type", "invalid_value")
    if kind == "json_object":
        if not any("json" in text_of(message.get("content")).lower() for message in body["messages"]):
            return _invalid(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                "messages",
            )
        return None
    if kind == "text":
        return None
    if capabilities.json_schema == "none":
        return _invalid("This model does not support response format `json_schema`.", "response_format")
    described = wanted.get("json_schema")
    if not isinstance(described, dict):
        param = "response_format.json_schema"
        return _invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    return _check_schema(cast(dict[str, Any], described), capabilities)


def _check_schema(described: dict[str, Any], capabilities: ModelCapabilities) -> Rejection | None:
    unknown = described.keys() - {"name", "description", "schema", "strict"}
    if unknown:
        name = min(unknown)
        param = f"response_format.json_schema.{name}"
        return _invalid(f"Unknown parameter: '{param}'.", param, "unknown_parameter")
    name = described.get("name")
    if not isinstance(name, str) or not _SCHEMA_NAME.fullmatch(name):
        param = "response_format.json_schema.name"
        return _invalid(
            f"Invalid '{param}': expected a string of the pattern '^[a-zA-Z0-9_-]+$'.", param, "invalid_value"
        )
    schema = described.get("schema")
    if not described.get("strict"):
        return None
    if capabilities.json_schema != "strict":
        return _invalid("This model does not support strict mode of response format `json_schema`.", "response_format")
    if not isinstance(schema, dict):
        param = "response_format.json_schema.schema"
        return _invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    problem = _strict_problem(orjson.dumps(schema))
    if problem is None:
        return None
    return _invalid(f"Invalid schema for response_format '{name}': {problem}", "response_format", "invalid_json_schema")


@lru_cache(maxsize=64)
def _strict_problem(raw: bytes) -> str | None:
    schema = orjson.loads(raw)
    if schema.get("type") != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    for path, part in schema_parts(schema):
        context = f"In context=({', '.join(repr(step) for step in path)}{',' if len(path) == 1 else ''})"
        for keyword in _NEVER_IN_STRICT_MODE:
            if keyword in part:
                return f"{context}, '{keyword}' is not permitted."
        if part.get("type") == "object":
            if part.get("additionalProperties") is not False:
                return f"{context}, 'additionalProperties' is required to be supplied and to be false."
            missing = [name for name in part.get("properties", {}) if name not in part.get("required", [])]
            if missing:
                return (
                    f"{context}, 'required' is required to be supplied and to be an array including every key in "
                    f"properties. Missing '{missing[0]}'."
                )
        elif part.get("type") == "array" and "items" not in part:
            return f"{context}, array schema missing items."
    return None
