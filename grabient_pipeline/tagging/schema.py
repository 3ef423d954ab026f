"""The JSON schema of an answer, for the providers' structured outputs.

Only keywords that every provider's strict mode accepts: counts are in the descriptions, because some providers reject
`minItems` and `maxItems`. The schema does not validate answers: models without strict mode ignore it, and the parser
reads all answers the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from grabient_pipeline.tagging import vocabulary

JsonSchema = dict[str, Any]

# The fields of a refinement: all but the measured attributes.
REFINED_FIELDS: Final = tuple(field for field in vocabulary.FIELDS if field not in vocabulary.ATTRIBUTES)


def _word_list(description: str, allowed: tuple[str, ...] | None = None) -> JsonSchema:
    items: JsonSchema = {"type": "string"} if allowed is None else {"type": "string", "enum": list(allowed)}
    return {"type": "array", "description": description, "items": items}


def _attribute_value(attribute: str) -> JsonSchema:
    return {"type": "string", "enum": list(vocabulary.ATTRIBUTES[attribute])}


def tagging_schema() -> JsonSchema:
    """Return the schema of a tagging answer, a new dict on each call, with properties in the order of the fields."""
    properties: JsonSchema = {
        "mood": _word_list("2 to 5 emotional words"),
        "style": _word_list("1 to 5 movements, eras, aesthetics, traditions or industries"),
        "harmony": _word_list("1 to 2", vocabulary.HARMONY),
        "temperature": _attribute_value("temperature"),
        "contrast": _attribute_value("contrast"),
        "brightness": _attribute_value("brightness"),
        "saturation": _attribute_value("saturation"),
        "seasonal": _word_list("0 to 4, empty if nothing is clear", vocabulary.SEASONAL),
        "associations": _word_list("2 to 7 specific, concrete things"),
    }
    return _strict_object({field: properties[field] for field in vocabulary.FIELDS})


def refinement_schema(counts: Mapping[str, tuple[int, int]]) -> JsonSchema:
    """Return the schema of a refinement, a new dict on each call.

    Args:
        counts: (least, most) words of each field.
    """
    descriptions = {field: "{} to {}, the best first".format(*counts[field]) for field in REFINED_FIELDS}
    allowed = {"harmony": vocabulary.HARMONY, "seasonal": vocabulary.SEASONAL}
    return _strict_object({field: _word_list(descriptions[field], allowed.get(field)) for field in REFINED_FIELDS})


def _strict_object(properties: JsonSchema) -> JsonSchema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
