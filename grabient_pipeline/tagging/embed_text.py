"""The embed text: what is turned into a vector, so that a palette can be found by words.

Composed here and by no model, so that a better recipe costs no call. A pure function of what is measured and of the
tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grabient_pipeline.tagging import vocabulary

# Raise it when the text for some palette changes: texts of another version are composed anew.
EMBED_TEXT_RECIPE: Final = 1

MOST_WORDS: Final = 120

# In the order of what tells most.
_TAG_FIELDS: Final = ("mood", "style", "seasonal", "associations")

# "medium" or "high" alone would not say of what; the others are words that people search by.
_SPEAK_ALONE: Final = frozenset(
    (*vocabulary.TEMPERATURE, "dark", "light", *(word for word in vocabulary.SATURATION if word != "mixed"))
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a palette without asking any model: its attributes, harmony and colour names."""

    temperature: str
    contrast: str
    brightness: str
    saturation: str
    harmony: Sequence[str]
    colour_names: Sequence[str]

    @property
    def attributes(self) -> tuple[tuple[str, str], ...]:
        return (
            ("temperature", self.temperature),
            ("contrast", self.contrast),
            ("brightness", self.brightness),
            ("saturation", self.saturation),
        )


def compose_embed_text(measured: Measured, tags: Mapping[str, Sequence[str]] | None) -> str:
    """At most 120 words, none twice: what is measured, then mood, style, seasonal and associations, each best first.

    Of a tag the words that are not there yet are added, all of them or, where they do not fit any more, none: every tag
    is in the text whole or not at all.

    Args:
        tags: the open fields; None if there are none.
    """
    words: dict[str, None] = {}
    for phrase in _phrases(measured, tags or {}):
        fresh = [word for word in dict.fromkeys(phrase.lower().split()) if word not in words]
        if len(words) + len(fresh) <= MOST_WORDS:
            words.update(dict.fromkeys(fresh))
    return " ".join(words)


def attribute_phrase(attribute: str, value: str) -> str:
    """How people would say it: "dark", but "high contrast"."""
    return value if value in _SPEAK_ALONE else f"{value} {attribute}"


def _phrases(measured: Measured, tags: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for attribute, value in measured.attributes:
        yield attribute_phrase(attribute, value)
    yield from measured.harmony
    yield from measured.colour_names
    for field in _TAG_FIELDS:
        yield from tags.get(field, ())
