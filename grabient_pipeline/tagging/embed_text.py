"""The embed text: the text that is embedded as a vector, so that palettes can be searched by words.

Composed by code and not by a model, so a better recipe costs no API call. A pure function of the measured values
and the tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grabient_pipeline.tagging import vocabulary

# Increment when the text for any palette changes: texts of another version are recomposed.
EMBED_TEXT_RECIPE: Final = 1

MOST_WORDS: Final = 120

# The most telling field first.
_TAG_FIELDS: Final = ("mood", "style", "seasonal", "associations")

# "medium" or "high" alone would be ambiguous; these are words that people search for.
_CLEAR_ALONE: Final = frozenset(
    (*vocabulary.TEMPERATURE, "dark", "light", *(word for word in vocabulary.SATURATION if word != "mixed"))
)


@dataclass(frozen=True, slots=True)
class Measured:
    """The measured values of a palette, which need no model: attributes, harmony and colour names."""

    temperature: str
    contrast: str
    brightness: str
    saturation: str
    harmony: Sequence[str]
    colour_names: Sequence[str]

    @property
    def attributes(self) -> tuple[tuple[str, str], ...]:
        """The four attributes as (name, value)."""
        return (
            ("temperature", self.temperature),
            ("contrast", self.contrast),
            ("brightness", self.brightness),
            ("saturation", self.saturation),
        )


def compose_embed_text(measured: Measured, tags: Mapping[str, Sequence[str]] | None) -> str:
    """Compose at most 120 distinct words: measured values, then mood, style, seasonal, associations, each best first.

    A tag adds those of its words that are not in the text yet. If they do not all fit, it adds none, so every tag is in
    the text completely or not at all.

    Args:
        measured: the measured values.
        tags: the open fields; None if there are none.
    """
    words: dict[str, None] = {}
    for phrase in _phrases(measured, tags or {}):
        fresh = [word for word in dict.fromkeys(phrase.lower().split()) if word not in words]
        if len(words) + len(fresh) <= MOST_WORDS:
            words.update(dict.fromkeys(fresh))
    return " ".join(words)


def attribute_phrase(attribute: str, value: str) -> str:
    """Return the value as people say it: "dark", but "high contrast"."""
    return value if value in _CLEAR_ALONE else f"{value} {attribute}"


def _phrases(measured: Measured, tags: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for attribute, value in measured.attributes:
        yield attribute_phrase(attribute, value)
    yield from measured.harmony
    yield from measured.colour_names
    for field in _TAG_FIELDS:
        yield from tags.get(field, ())
