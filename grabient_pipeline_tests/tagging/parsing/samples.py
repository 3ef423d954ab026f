"""Sample answers that several test modules read, with their tags."""

from __future__ import annotations

from grabient_pipeline.tagging import Tags, vocabulary


def tags(**fields: object) -> Tags:
    nothing: dict[str, object] = dict.fromkeys(vocabulary.FIELDS, ())
    nothing.update(dict.fromkeys(vocabulary.ATTRIBUTES))
    return Tags(**(nothing | fields))  # type: ignore[arg-type]


CALM = '{"mood":["calm"]}'
CALM_TAGS = tags(mood=("calm",))

WHOLE = """{
  "mood": ["serene", "wistful"], "style": ["art deco", "ukiyo-e"], "harmony": ["analogous"],
  "temperature": "cool", "contrast": "high", "brightness": "varied", "saturation": "mixed",
  "seasonal": ["late autumn"], "associations": ["sea glass", "slate roof"]
}"""
WHOLE_TAGS = Tags(
    mood=("serene", "wistful"),
    style=("art deco", "ukiyo-e"),
    harmony=("analogous",),
    temperature="cool",
    contrast="high",
    brightness="varied",
    saturation="mixed",
    seasonal=("late autumn",),
    associations=("sea glass", "slate roof"),
)
