"""Which JSON schemas the providers take for structured output; each refuses different ones."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

import orjson

from grabient_pipeline.sandbox.documents import names_in

Schema = dict[str, Any]

_NEVER_STRICT = ("allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "uniqueItems")
_NEVER_ANTHROPIC = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems",
    "uniqueItems", "minProperties", "maxProperties", "not", "if",
)  # fmt: skip
_GOOGLE_OPENAPI = names_in(
    """
    type format title description nullable enum items maxItems minItems properties required minProperties
    maxProperties minimum maximum minLength maxLength pattern example anyOf propertyOrdering default
    """
)
_GOOGLE_JSON_SCHEMA = names_in(
    """
    $id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum
    maximum anyOf oneOf properties additionalProperties required propertyOrdering
    """
)


def strict_problem(schema: Schema) -> str | None:
    """Why strict mode (OpenAI, Groq) refuses this schema, or None."""
    return _strict_problem(orjson.dumps(schema))


def anthropic_problem(schema: Schema) -> str | None:
    """Why Anthropic's `output_config` refuses this schema, or None."""
    return _anthropic_problem(orjson.dumps(schema))


def google_problem(schema: Schema, openapi: bool) -> str | None:
    """The first name that Gemini does not know in `responseSchema` (openapi) or `responseJsonSchema`, or None."""
    return _google_problem(orjson.dumps(schema), openapi)


@lru_cache(maxsize=64)
def _strict_problem(raw: bytes) -> str | None:
    schema = orjson.loads(raw)
    if schema.get("type") != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    for path, part in _parts(schema, ()):
        context = f"In context=({', '.join(repr(step) for step in path)}{',' if len(path) == 1 else ''})"
        for keyword in _NEVER_STRICT:
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


@lru_cache(maxsize=64)
def _anthropic_problem(raw: bytes) -> str | None:
    for _path, part in _parts(orjson.loads(raw), ()):
        kind = part.get("type")
        for keyword in _NEVER_ANTHROPIC:
            if keyword in part:
                return f"For '{kind}' type, property '{keyword}' is not supported"
        if int(part.get("minItems", 0)) > 1:
            return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
        if kind == "object" and part.get("additionalProperties") is not False:
            return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    return None


@lru_cache(maxsize=64)
def _google_problem(raw: bytes, openapi: bool) -> str | None:
    known = _GOOGLE_OPENAPI if openapi else _GOOGLE_JSON_SCHEMA
    for _path, part in _parts(orjson.loads(raw), ()):
        for keyword in part:
            if keyword not in known:
                return keyword
    return None


def _parts(schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """The schema and all schemas inside of it, with the way to each."""
    yield path, schema
    for keyword in ("properties", "$defs"):
        for name, inner in cast(Schema, schema.get(keyword) or {}).items():
            if isinstance(inner, dict):
                yield from _parts(cast(Schema, inner), (*path, keyword, str(name)))
    if isinstance(schema.get("items"), dict):
        yield from _parts(schema["items"], (*path, "items"))
    for keyword in ("anyOf", "oneOf"):
        for place, inner in enumerate(schema.get(keyword) or []):
            yield from _parts(inner, (*path, keyword, str(place)))
