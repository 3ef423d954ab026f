"""Walking JSON schemas. Which keywords a provider accepts for structured output is in its own package."""

from collections.abc import Iterator
from typing import Any, cast

Schema = dict[str, Any]


def schema_parts(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """The schema and all schemas inside it, each with its path."""
    yield path, schema
    for keyword in ("properties", "$defs"):
        for name, inner in cast(Schema, schema.get(keyword) or {}).items():
            if isinstance(inner, dict):
                yield from schema_parts(cast(Schema, inner), (*path, keyword, str(name)))
    if isinstance(schema.get("items"), dict):
        yield from schema_parts(schema["items"], (*path, "items"))
    for keyword in ("anyOf", "oneOf"):
        for place, inner in enumerate(schema.get(keyword) or []):
            yield from schema_parts(inner, (*path, keyword, str(place)))
