"""Reading JSON from clients, in which any value may have an unexpected type."""

from typing import Any, cast

JsonObject = dict[str, Any]


def object_in(document: JsonObject, name: str) -> JsonObject:
    """The object with this name; empty if it is missing or not an object."""
    return as_object(document.get(name))


def objects_in(document: JsonObject, name: str) -> list[JsonObject]:
    """The list of objects with this name; members that are not objects become empty ones."""
    value = document.get(name)
    return [as_object(each) for each in cast(list[Any], value)] if isinstance(value, list) else []


def as_object(value: Any) -> JsonObject:
    """The value if it is an object, otherwise an empty one."""
    return cast(JsonObject, value) if isinstance(value, dict) else {}


def names_in(text: str) -> frozenset[str]:
    """The names in a text, separated by white space."""
    return frozenset(text.split())
