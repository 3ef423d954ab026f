"""The JSON schema of an answer, as the providers' structured outputs take it.

Only keywords that every provider's strict mode accepts: counts are in the descriptions, because `minItems`
and `maxItems` are refused by some. Nothing here checks an answer: models without strict mode answer as they
like, and the parser reads them all alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from grabient_pipeline.tagging import vocabulary

JsonSchema = dict[str, Any]

# What a refining model is asked for: the attributes are measured.
REFINED_FIELDS: Final = tuple(field for field in vocabulary.FIELDS if field not in vocabulary.ATTRIBUTES)


def _words(description: str, allowed: tuple[str, ...] | None = None) -> JsonSchema:
    items: JsonSchema = {"type": "string"} if allowed is None else {"type": "string", "enum": list(allowed)}
    return {"type": "array", "description": description, "items": items}


def _word(attribute: str) -> JsonSchema:
    return {"type": "string", "enum": list(vocabulary.ATTRIBUTES[attribute])}


def tagging_schema() -> JsonSchema:
    """The schema of a tagging answer, a new dict each time; its properties are in the order of the fields."""
    properties: JsonSchema = {
        "mood": _words("2 to 5 emotional words"),
        "style": _words("1 to 5 movements, eras, aesthetics, traditions or industries"),
        "harmony": _words("1 to 2", vocabulary.HARMONY),
        "temperature": _word("temperature"),
        "contrast": _word("contrast"),
        "brightness": _word("brightness"),
        "saturation": _word("saturation"),
        "seasonal": _words("0 to 4, empty if nothing is clear", vocabulary.SEASONAL),
        "associations": _words("2 to 7 specific, concrete things"),
    }
    return _object({field: properties[field] for field in vocabulary.FIELDS})


def refinement_schema(counts: Mapping[str, tuple[int, int]]) -> JsonSchema:
    """The schema of a refinement, a new dict each time.

    Args:
        counts: (least, most) words of each field.
    """
    said = {field: "{} to {}, the best first".format(*counts[field]) for field in REFINED_FIELDS}
    allowed = {"harmony": vocabulary.HARMONY, "seasonal": vocabulary.SEASONAL}
    return _object({field: _words(said[field], allowed.get(field)) for field in REFINED_FIELDS})


def _object(properties: JsonSchema) -> JsonSchema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
