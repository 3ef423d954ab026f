"""What a request asks of a model: which fields, how many words, in which form. Independent of any provider's format."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast
from zlib import crc32

import orjson

from grabient_pipeline.sandbox.pictures import Picture, PictureTokens

Schema = dict[str, Any]
Form = Literal["text", "json", "schema", "tool"]
FieldKind = Literal["words", "word", "text", "number", "integer", "boolean", "object"]

# Prompts whose specification a reader remembers.
_REMEMBERED_SPECS = 256


@dataclass(slots=True)
class Prompt:
    """A request that a model accepted."""

    system: str
    user: str
    form: Form = "text"
    schema: Schema | None = None
    output_limit: int = 1 << 30
    effort: str = "none"
    # Where reasoning goes: nowhere, into a field of its own, or into a thinking block before the text.
    reasoning: Literal["hidden", "field", "inline"] = "hidden"
    pictures: tuple[Picture, ...] = ()
    picture_tokens: int = 0

    def attach(self, pictures: Iterable[Picture], rule: PictureTokens | None, detail: str = "") -> None:
        """Add pictures, which a model with this rule reads in this detail."""
        self.pictures = tuple(pictures)
        if rule is not None:
            self.picture_tokens = sum(rule(picture.width, picture.height, detail) for picture in self.pictures)


@dataclass(frozen=True, slots=True)
class Field:
    """One property of the answer; `least` and `most` bound the number of words."""

    name: str
    kind: FieldKind
    least: int = 1
    most: int = 1
    allowed: tuple[str, ...] = ()
    inner: tuple["Field", ...] = ()


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """The properties of the answer in the requested order; none means that prose is expected."""

    fields: tuple[Field, ...]
    # Distinguishes requests of different purpose, also about the same palette.
    identity: int
    system_tokens: float
    # Long lists are requested: the prompt condenses counted words of earlier answers.
    condenses: bool = False


_COUNTS = {"mood": (2, 5), "style": (1, 5), "harmony": (1, 2), "seasonal": (0, 4), "associations": (2, 7)}
_WORD_FIELDS = ("temperature", "contrast", "brightness", "saturation")
_NAMES = (*_COUNTS, *_WORD_FIELDS)
_RANGE = r"(\d+)\s*(?:to|-|\u2013|and|\.\.)\s*(\d+)"
_RANGE_PATTERN = re.compile(_RANGE)
_DIGITS = b"0123456789"
# Tagging never asks for lists longer than this.
_LONGEST_TAG_LIST = 7


def tokens_of(text: str) -> float:
    """An estimate: four characters per token in prose, two in digits."""
    raw = text.encode()
    digits = len(raw) - len(raw.translate(None, _DIGITS))
    return (len(raw) - digits) / 4 + digits / 2


class PromptReader:
    """Derives the specification of a response from prompt and schema, and caches it for the many that share both."""

    def __init__(self) -> None:
        self._specs: dict[tuple[str, bytes], ResponseSpec] = {}

    def spec(self, prompt: Prompt) -> ResponseSpec:
        """The properties that the answer to this prompt has to have."""
        key = prompt.system, orjson.dumps(prompt.schema) if prompt.schema is not None else b""
        spec = self._specs.get(key)
        if spec is None:
            if len(self._specs) > _REMEMBERED_SPECS:
                self._specs.clear()
            spec = self._specs[key] = _read_spec(prompt)
        return spec


def _read_spec(prompt: Prompt) -> ResponseSpec:
    fields = _schema_fields(prompt.schema, prompt.system) if prompt.schema else _prompt_fields(prompt)
    identity = crc32(prompt.system.encode() + orjson.dumps(prompt.schema))
    schema_tokens = len(orjson.dumps(prompt.schema)) / 4 if prompt.schema else 0.0
    condenses = any(field.most > _LONGEST_TAG_LIST for field in fields)
    return ResponseSpec(fields, identity, tokens_of(prompt.system) + schema_tokens, condenses)


def _prompt_fields(prompt: Prompt) -> tuple[Field, ...]:
    text = prompt.system
    if "json" not in prompt.system.lower():
        text += "\n" + prompt.user[:2000]
    if prompt.form == "text" and "json" not in text.lower():
        return ()
    named: list[tuple[int, str]] = []
    for name in _NAMES:
        quoted = re.search(rf'["`*]+{name}["`*]+|^\W*{name}\b\s*[:(]', text, re.MULTILINE)
        if quoted:
            named.append((quoted.start(), name))
    if not named:
        named = [(at, name) for name in _NAMES if (at := text.find(name)) >= 0]
    chosen = [name for _, name in sorted(named)] or list(_NAMES)
    return tuple(_known_field(name, _range_near(text, name)) for name in chosen)


def _known_field(name: str, counts: tuple[int, int] | None) -> Field:
    if name in _WORD_FIELDS:
        return Field(name, "word")
    least, most = counts or _COUNTS.get(name, (2, 5))
    return Field(name, "words", least, most)


def _range_near(text: str, name: str) -> tuple[int, int] | None:
    match = re.search(rf"\b{name}\b[^\n]{{0,60}}?{_RANGE}", text)
    return _ordered_range(match) if match else None


def _ordered_range(match: re.Match[str]) -> tuple[int, int]:
    least, most = int(match.group(1)), int(match.group(2))
    return (least, most) if least <= most <= 60 else (most, least) if least <= 60 else (1, 5)


def _schema_fields(schema: Schema, system: str) -> tuple[Field, ...]:
    properties = cast(Schema, schema.get("properties") or {})
    return tuple(_schema_field(name, part, system) for name, part in properties.items())


def _schema_field(name: str, part: Schema, system: str) -> Field:
    kind = _type_of(part)
    if kind == "array":
        return _array_field(name, part, system)
    if kind == "object":
        return Field(name, "object", inner=_schema_fields(part, system))
    if kind in ("number", "integer", "boolean"):
        return Field(name, kind)
    allowed = tuple(str(word) for word in part.get("enum", ()))
    return Field(name, "word" if allowed or name in _WORD_FIELDS else "text", allowed=allowed)


def _array_field(name: str, part: Schema, system: str) -> Field:
    items = cast(Schema, part.get("items") or {})
    described = _RANGE_PATTERN.search(str(part.get("description", "")))
    stated = _ordered_range(described) if described else None
    if "minItems" in part or "maxItems" in part:
        least = int(part.get("minItems", 0))
        stated = least, int(part.get("maxItems", max(least, 5)))
    counts = stated or _range_near(system, name) or _COUNTS.get(name, (2, 5))
    if _type_of(items) == "object":
        return Field(name, "object", *counts, inner=_schema_fields(items, system))
    return Field(name, "words", *counts, allowed=tuple(str(word) for word in items.get("enum", ())))


def _type_of(part: Schema) -> str:
    kind = part.get("type", "string")
    if isinstance(kind, list):
        kinds = [str(each) for each in cast(list[Any], kind) if each != "null"]
        return kinds[0].lower() if kinds else "string"
    return str(kind).lower()
