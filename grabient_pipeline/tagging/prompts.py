"""The tagging prompt and its version.

A version covers everything that shapes the answer of every model: the prompt, the format of the colour data and the
schema. Parameters that differ between models belong to the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import orjson

from grabient_pipeline.palette.attributes import ATTRIBUTE_DEFINITIONS
from grabient_pipeline.palette.colour_data import COLOUR_DATA_FORMAT
from grabient_pipeline.palette.picture import PICTURE_FORMAT
from grabient_pipeline.tagging import vocabulary
from grabient_pipeline.tagging.schema import JsonSchema, tagging_schema

# The data say exactly what the colours are, and the picture how they look side by side.
_LOOK_AT_PICTURE: Final = (
    "The attached picture shows the same 11 colours as vertical bands, in the same order. Look at it for how the "
    "colours work together, take their exact values from the data, and judge the palette as a whole"
)
USER_TEMPLATE: Final = "Tag this palette. Colour data (JSON):\n{colour_data}"


@dataclass(frozen=True)
class Prompt:
    """The part of a request that is the same for all models and palettes of one stage. Do not mutate its schema.

    `picture_format`: how the attached picture is made; None if none is attached.
    """

    stage: str
    system: str
    colour_data_format: str
    schema: JsonSchema
    user: str = USER_TEMPLATE
    picture_format: str | None = None

    @property
    def with_image(self) -> bool:
        """Whether a picture is attached."""
        return self.picture_format is not None

    @cached_property
    def content(self) -> str:
        """The ingredients of the version as indented JSON, which is hashed and stored.

        Keys are not sorted, because models answer in the order of the schema's properties.
        """
        ingredients: dict[str, object] = {
            "system": self.system,
            "user": self.user,
            "colour_data_format": self.colour_data_format,
            "schema": self.schema,
        }
        if self.picture_format is not None:
            # Only then, so that the versions of other prompts stay what they are.
            ingredients["picture_format"] = self.picture_format
        return orjson.dumps(ingredients, option=orjson.OPT_INDENT_2).decode()

    @cached_property
    def version(self) -> str:
        """The first 12 hex digits of the content's SHA-256."""
        return hashlib.sha256(self.content.encode()).hexdigest()[:12]


def user_message(colour_data: str) -> str:
    """Return the user message for one palette."""
    # Not str.format: the colour data is full of braces, and the template may have some one day.
    return USER_TEMPLATE.replace("{colour_data}", colour_data)


def tagging_system_prompt(*, with_image: bool = False) -> str:
    """Return the system prompt of tagging, with the lists of the parser and the definitions of the measurement.

    Args:
        with_image: whether it speaks of the attached picture.
    """
    look = _LOOK_AT_PICTURE if with_image else "Picture it and judge it as a whole"
    return f"""\
You are an expert in colour and design. You tag colour palettes so that designers and artists find them by \
searching.

You get the colour data of one gradient palette as JSON: 11 colours from left to right as hex, rgb, hsl \
(degrees, percent, percent) and lch (CIE lightness, chroma, hue), and names for its main colours. {look}: \
which colours dominate, how they pass into one another, what all of them together call to mind. Do not tag \
single colours.

Answer with one JSON object and nothing else, no explanation and no Markdown:
{{"mood":["..."],"style":["..."],"harmony":["..."],"temperature":"...","contrast":"...","brightness"\
:"...","saturation":"...","seasonal":["..."],"associations":["..."]}}

mood: 2 to 5 emotional words. Not {either(vocabulary.NOT_A_MOOD)}.
style: 1 to 5 movements, eras, aesthetics, cultural or national traditions, or industries.
harmony: 1 to 2 of: {listed(vocabulary.HARMONY)}.
temperature, contrast, brightness, saturation: exactly one value each, by these definitions:
{_attribute_definitions()}
seasonal: 0 to 4 seasons or holidays, only from: {listed(vocabulary.SEASONAL)}. [] if nothing is clear.
associations: 2 to 7 specific, concrete objects, places, materials, textures, environments, periods, \
activities, foods, natural phenomena or cultures.

Mood, style and association tags are what someone would type to find this very palette, in English or as \
the art world calls it, none twice, the best first; the precise word rather than the common one. All tags \
are lower case and singular, of 1 to 2 words unless listed above. Never use \
{either(vocabulary.GENERIC_WORDS)}, or other words as generic."""


def listed(words: Sequence[str]) -> str:
    """Return words as a comma-separated list."""
    return ", ".join(words)


def either(words: Sequence[str]) -> str:
    """Return words as a list that ends in "or"."""
    return f"{listed(words[:-1])} or {words[-1]}"


def _attribute_definitions() -> str:
    return "\n".join(
        f"- {attribute}: " + "; ".join(f'"{value}" if {ATTRIBUTE_DEFINITIONS[attribute][value]}' for value in values)
        for attribute, values in vocabulary.ATTRIBUTES.items()
    )


TAGGING_PROMPT: Final = Prompt(
    stage="tagging",
    system=tagging_system_prompt(),
    colour_data_format=COLOUR_DATA_FORMAT,
    schema=tagging_schema(),
)
TAGGING_IMAGE_PROMPT: Final = replace(
    TAGGING_PROMPT, system=tagging_system_prompt(with_image=True), picture_format=PICTURE_FORMAT
)
