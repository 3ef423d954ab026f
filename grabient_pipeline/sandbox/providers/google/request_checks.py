"""Which requests Gemini rejects, and why; written from Google's documents."""

from functools import lru_cache
from typing import Any

import orjson

from grabient_pipeline.sandbox.capabilities import ModelCapabilities
from grabient_pipeline.sandbox.json_schemas import schema_parts
from grabient_pipeline.sandbox.json_values import as_object, names_in, object_in, objects_in
from grabient_pipeline.sandbox.pictures import MEDIA_TYPES, BadPictureError, Picture, read_picture

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
_THINKING_FIELDS = names_in(
    """
    includeThoughts thinkingBudget thinkingLevel
    """
)
_RESOLUTIONS = tuple(f"MEDIA_RESOLUTION_{each}" for each in ("UNSPECIFIED", "LOW", "MEDIUM", "HIGH"))
_OPENAPI_KEYWORDS = names_in(
    """
    type format title description nullable enum items maxItems minItems properties required minProperties
    maxProperties minimum maximum minLength maxLength pattern example anyOf propertyOrdering default
    """
)
_JSON_SCHEMA_KEYWORDS = names_in(
    """
    $id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum
    maximum anyOf oneOf properties additionalProperties required propertyOrdering
    """
)


def find_problem(request: dict[str, Any], config: dict[str, Any], capabilities: ModelCapabilities) -> str | None:
    """Why a request with this generation config is rejected, or None."""
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
    return (
        _picture_problem(request, capabilities)
        or _config_problem(config, capabilities)
        or _thinking_problem(config.get("thinkingConfig"), capabilities)
    )


def pictures_in(request: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The pictures of a request as (place, blob)."""
    return [
        (f"contents[{place}].parts[{number}].inline_data", camel_keys(object_in(camel_keys(part), "inlineData")))
        for place, content in enumerate(objects_in(request, "contents"))
        for number, part in enumerate(objects_in(content, "parts"))
        if "inlineData" in camel_keys(part)
    ]


def picture_of(blob: dict[str, Any]) -> Picture:
    """The picture of a blob. Raises `BadPictureError`."""
    return read_picture(str(blob["mimeType"]), str(blob["data"]))


def _picture_problem(request: dict[str, Any], capabilities: ModelCapabilities) -> str | None:
    for place, blob in pictures_in(request):
        if capabilities.images is None:
            return f"Image input modality is not enabled for models/{capabilities.model}"
        unknown = blob.keys() - {"mimeType", "data", "displayName"}
        if unknown:
            return unknown_name(min(unknown), place)
        if blob.get("mimeType") not in MEDIA_TYPES:
            return f"Unsupported MIME type: {blob.get('mimeType')}"
        try:
            picture_of(blob)
        except BadPictureError as problem:
            if not problem.is_base64:
                return f"Invalid value at '{place}.data' (TYPE_BYTES), Base64 decoding failed"
            return "Unable to process input image."
    return None


def _config_problem(config: dict[str, Any], capabilities: ModelCapabilities) -> str | None:
    limit = config.get("maxOutputTokens")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        return "* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive."
    if limit is not None and limit > capabilities.max_output_tokens:
        return (
            f"Unable to submit request because it has a maxOutputTokens value of {limit} but the supported range is "
            f"from 1 (inclusive) to {capabilities.max_output_tokens + 1} (exclusive)."
        )
    resolution = config.get("mediaResolution")
    if resolution is not None and resolution not in _RESOLUTIONS:
        return f"Invalid value at 'generation_config.media_resolution': {resolution}"
    temperature = config.get("temperature")
    if temperature is not None and not 0 <= temperature <= 2:
        return "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0]."
    if not capabilities.sampling:
        for name in ("presencePenalty", "frequencyPenalty"):
            if config.get(name):
                return f"Penalty is not enabled for models/{capabilities.model}: {name}"
    return _schema_problem(config)


def _schema_problem(config: dict[str, Any]) -> str | None:
    openapi, described = config.get("responseSchema"), config.get("responseJsonSchema")
    if openapi is not None and described is not None:
        return "Only one of response_schema and response_json_schema can be set in generation_config."
    schema = openapi if openapi is not None else described
    if schema is None:
        return None
    if config.get("responseMimeType") != "application/json":
        return "Function calling or a response schema needs the response mime type 'application/json'."
    unknown = _unknown_keyword(orjson.dumps(schema), openapi is not None)
    if unknown is None:
        return None
    if openapi is not None:
        return unknown_name(unknown, "request.generation_config.response_schema")
    return f"The keyword '{unknown}' is not supported in response_json_schema."


def _thinking_problem(wanted: Any, capabilities: ModelCapabilities) -> str | None:
    if wanted is None:
        return None
    thinking = camel_keys(wanted)
    if capabilities.thinking not in ("budget", "level"):
        return f"Thinking is not enabled for models/{capabilities.model}"
    for name in thinking:
        if name not in _THINKING_FIELDS:
            return unknown_name(name, "request.generation_config.thinking_config")
    budget, level = thinking.get("thinkingBudget"), thinking.get("thinkingLevel")
    if budget is not None and level is not None:
        return "You can only set one of thinking budget and thinking level."
    if level is not None and (capabilities.thinking != "level" or str(level).lower() not in capabilities.efforts):
        return f"Thinking level {level} is not supported for models/{capabilities.model}."
    if budget is not None and budget not in (0, -1) and not 512 <= budget <= 24576:
        return f"The thinking budget {budget} is invalid. Please choose a value between 512 and 24576."
    return None


@lru_cache(maxsize=64)
def _unknown_keyword(raw: bytes, openapi: bool) -> str | None:
    """The first keyword that Gemini does not know in `responseSchema` (openapi) or `responseJsonSchema`, or None."""
    known = _OPENAPI_KEYWORDS if openapi else _JSON_SCHEMA_KEYWORDS
    for _path, part in schema_parts(orjson.loads(raw)):
        for keyword in part:
            if keyword not in known:
                return keyword
    return None


def text_of(content: Any) -> str:
    """The text of a content's parts."""
    message = as_object(content)
    # A single part may stand for the list, as in all of Google's JSON.
    parts = objects_in(message, "parts") or [object_in(message, "parts")]
    return "\n".join(str(part.get("text", "")) for part in parts)


def unknown_name(name: str, where: str) -> str:
    """The message about a field that does not exist."""
    return f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."


def _camel(name: str) -> str:
    if "_" not in name:
        return name
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def camel_keys(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its names in camel case; Google's JSON accepts both spellings."""
    return {_camel(name): value for name, value in document.items()}
