"""What a request asks a model for: which fields, how many words, in what form. No provider's format is known here."""

import re
from dataclasses import dataclass
from typing import Any, Literal, cast
from zlib import crc32

import orjson

Schema = dict[str, Any]
Form = Literal["text", "json", "schema", "tool"]


@dataclass(slots=True)
class Asked:
    """A request that a model accepted."""

    system: str
    user: str
    form: Form = "text"
    schema: Schema | None = None
    output_limit: int = 1 << 30
    effort: str = "none"
    # Where reasoning goes: nowhere, into a field of its own, or in front of the text in a thinking block.
    reasoning: Literal["hidden", "field", "inline"] = "hidden"


@dataclass(frozen=True, slots=True)
class Field:
    """One property of the answer."""

    name: str
    kind: Literal["words", "word", "text", "number", "integer", "boolean", "object"]
    least: int = 1
    most: int = 1
    allowed: tuple[str, ...] = ()
    inner: tuple["Field", ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """The properties of the answer in the order they were asked for; none means that prose is wanted."""

    fields: tuple[Field, ...]
    # Tells requests of different purpose apart, also when they are about the same palette.
    identity: int
    system_tokens: float
    # Long lists are asked for: counted words of earlier answers are being condensed.
    condenses: bool = False


_COUNTS = {"mood": (2, 5), "style": (1, 5), "harmony": (1, 2), "seasonal": (0, 4), "associations": (2, 7)}
_WORD_FIELDS = ("temperature", "contrast", "brightness", "saturation")
_NAMES = (*_COUNTS, *_WORD_FIELDS)
_RANGE = r"(\d+)\s*(?:to|-|\u2013|and|\.\.)\s*(\d+)"
_RANGE_PATTERN = re.compile(_RANGE)
_DIGITS = b"0123456789"


def tokens_of(text: str) -> float:
    """About four characters a token for prose, two for digits."""
    raw = text.encode()
    digits = len(raw) - len(raw.translate(None, _DIGITS))
    return (len(raw) - digits) / 4 + digits / 2


class Reader:
    """Reads what is wanted from prompt and schema; both are the same in thousands of requests, so it remembers."""

    def __init__(self) -> None:
        self._wishes: dict[tuple[str, bytes], Wish] = {}

    def wish(self, asked: Asked) -> Wish:
        key = asked.system, orjson.dumps(asked.schema) if asked.schema is not None else b""
        found = self._wishes.get(key)
        if found is None:
            if len(self._wishes) > 256:
                self._wishes.clear()
            found = self._wishes[key] = _wish(asked)
        return found


def _wish(asked: Asked) -> Wish:
    fields = _schema_fields(asked.schema, asked.system) if asked.schema else _prompt_fields(asked)
    identity = crc32(asked.system.encode() + orjson.dumps(asked.schema))
    schema_tokens = len(orjson.dumps(asked.schema)) / 4 if asked.schema else 0.0
    condenses = any(field.most > 7 for field in fields)
    return Wish(fields, identity, tokens_of(asked.system) + schema_tokens, condenses)


def _prompt_fields(asked: Asked) -> tuple[Field, ...]:
    prompt = asked.system + "\n" + asked.user[:2000] if "json" not in asked.system.lower() else asked.system
    if asked.form == "text" and "json" not in prompt.lower():
        return ()
    named: list[tuple[int, str]] = []
    for name in _NAMES:
        quoted = re.search(rf'["`*]+{name}["`*]+|^\W*{name}\b\s*[:(]', prompt, re.MULTILINE)
        if quoted:
            named.append((quoted.start(), name))
    if not named:
        named = [(at, name) for name in _NAMES if (at := prompt.find(name)) >= 0]
    chosen = [name for _, name in sorted(named)] or list(_NAMES)
    return tuple(_known_field(name, _range_near(prompt, name)) for name in chosen)


def _known_field(name: str, counts: tuple[int, int] | None, allowed: tuple[str, ...] = ()) -> Field:
    if name in _WORD_FIELDS:
        return Field(name, "word", allowed=allowed)
    least, most = counts or _COUNTS.get(name, (2, 5))
    return Field(name, "words", least, most, allowed)


def _range_near(prompt: str, name: str) -> tuple[int, int] | None:
    found = re.search(rf"\b{name}\b[^\n]{{0,60}}?{_RANGE}", prompt)
    return _ordered(found) if found else None


def _ordered(found: re.Match[str]) -> tuple[int, int]:
    least, most = int(found.group(1)), int(found.group(2))
    return (least, most) if least <= most <= 60 else (most, least) if least <= 60 else (1, 5)


def _schema_fields(schema: Schema, system: str) -> tuple[Field, ...]:
    properties = cast(Schema, schema.get("properties") or {})
    return tuple(_schema_field(name, part, system) for name, part in properties.items())


def _schema_field(name: str, part: Schema, system: str) -> Field:
    kind = _type_of(part)
    if kind == "array":
        items = cast(Schema, part.get("items") or {})
        described = _RANGE_PATTERN.search(str(part.get("description", "")))
        stated = _ordered(described) if described else None
        if "minItems" in part or "maxItems" in part:
            least = int(part.get("minItems", 0))
            stated = least, int(part.get("maxItems", max(least, 5)))
        counts = stated or _range_near(system, name) or _COUNTS.get(name, (2, 5))
        if _type_of(items) == "object":
            return Field(name, "object", *counts, inner=_schema_fields(items, system))
        return Field(name, "words", *counts, allowed=tuple(str(word) for word in items.get("enum", ())))
    if kind == "object":
        return Field(name, "object", inner=_schema_fields(part, system))
    if kind in ("number", "integer", "boolean"):
        return Field(name, kind)
    allowed = tuple(str(word) for word in part.get("enum", ()))
    return Field(name, "word" if allowed or name in _WORD_FIELDS else "text", allowed=allowed)


def _type_of(part: Schema) -> str:
    kind = part.get("type", "string")
    if isinstance(kind, list):
        kinds = [str(each) for each in cast(list[Any], kind) if each != "null"]
        return kinds[0].lower() if kinds else "string"
    return str(kind).lower()
