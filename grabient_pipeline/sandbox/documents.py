"""Reading JSON that strangers wrote: nothing in it need have the type that it should have."""

from typing import Any, cast

JsonObject = dict[str, Any]


def object_in(document: JsonObject, name: str) -> JsonObject:
    """The object of this name; empty if there is none or it is something else."""
    return as_object(document.get(name))


def objects_in(document: JsonObject, name: str) -> list[JsonObject]:
    """The list of objects of this name; what is no object counts as an empty one."""
    value = document.get(name)
    return [as_object(each) for each in cast(list[Any], value)] if isinstance(value, list) else []


def as_object(value: Any) -> JsonObject:
    """The value if it is an object, else an empty one."""
    return cast(JsonObject, value) if isinstance(value, dict) else {}


def names_in(text: str) -> frozenset[str]:
    """Names that are separated by white space."""
    return frozenset(text.split())
