"""The JSON schema of an answer, as the providers' structured outputs take it.

Only keywords that every provider's strict mode accepts: counts are in the descriptions, because `minItems`
and `maxItems` are refused by some. Nothing here checks an answer: models without strict mode answer as they
like, and the parser reads them all alike.
"""

from __future__ import annotations

from typing import Any

from grabient_pipeline.tagging import vocabulary

JsonSchema = dict[str, Any]


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
    return {
        "type": "object",
        "properties": {field: properties[field] for field in vocabulary.FIELDS},
        "required": list(vocabulary.FIELDS),
        "additionalProperties": False,
    }
