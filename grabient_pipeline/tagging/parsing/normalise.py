"""Turn the fields of a decoded answer into tags: known words only, one spelling for each, within bounds.

The first part reads fields, the second single strings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final, cast

from grabient_pipeline.tagging import vocabulary
from grabient_pipeline.tagging.parsing.answer import Tags

MAX_TAG_LENGTH: Final = 100
MAX_TAG_WORDS: Final = 4

# Far more than the prompt asks for: a model that lists more has gone astray, and its tail would distort the counts.
MAX_TAGS: Final = {"mood": 16, "style": 16, "associations": 32}

_FIELDS: Final = frozenset(vocabulary.FIELDS)

# {"result": {"tags": {...}}} is the deepest wrapper seen in practice.
_MAX_WRAPPER_DEPTH: Final = 3

# List items to read in one field; the rest of an endless list is ignored.
_MAX_ITEMS: Final = 256

_MAX_MOODS, _MAX_STYLES, _MAX_ASSOCIATIONS = (MAX_TAGS[field] for field in ("mood", "style", "associations"))


def normalise_tags(answer: dict[str, object]) -> Tags | None:
    """Return the tags of an object, or None if none of them is usable."""
    if not answer.keys() >= _FIELDS:
        unwrapped = unwrap_fields(answer)
        if unwrapped is None:
            return None
        answer = unwrapped
    get = answer.get
    mood = _read_words(get("mood"), _MOOD, _MAX_MOODS)
    style = _read_words(get("style"), _TAG, _MAX_STYLES)
    harmony = _read_words(get("harmony"), _HARMONY)
    temperature = _read_closed_field(get("temperature"), _TEMPERATURE)
    contrast = _read_closed_field(get("contrast"), _CONTRAST)
    brightness = _read_closed_field(get("brightness"), _BRIGHTNESS)
    saturation = _read_closed_field(get("saturation"), _SATURATION)
    seasonal = _read_words(get("seasonal"), _SEASONAL)
    associations = _read_words(get("associations"), _TAG, _MAX_ASSOCIATIONS)
    if not (mood or style or harmony or seasonal or associations) and not (
        temperature or contrast or brightness or saturation
    ):
        return None
    return Tags(mood, style, harmony, temperature, contrast, brightness, saturation, seasonal, associations)


def unwrap_fields(value: object, depth: int = _MAX_WRAPPER_DEPTH) -> dict[str, object] | None:
    """Return the object with the known fields, in upper or lower case: this one, or the only such object inside it."""
    if isinstance(value, list):
        items = cast("list[object]", value)
        value = items[0] if len(items) == 1 else None
    if not isinstance(value, dict):
        return None
    answer = cast("dict[str, object]", value)
    fields = {field: answer[field] for field in vocabulary.FIELDS if field in answer}
    for key, content in answer.items():
        name = key.strip().lower()
        if name in _FIELDS:
            fields.setdefault(name, content)
    if fields:
        return fields
    if depth == 0:
        return None
    inside = [found for child in answer.values() if (found := unwrap_fields(child, depth - 1)) is not None]
    return inside[0] if len(inside) == 1 else None


def _read_words(value: object, normalise: _Normalise, most: int = _MAX_ITEMS) -> tuple[str, ...]:
    """Return the normalised words of a list field, without duplicates; a plain string counts as a list of one."""
    if isinstance(value, str):
        value = [value]
    elif not isinstance(value, list):
        return ()
    items = cast("list[object]", value)
    if len(items) > _MAX_ITEMS:
        items = items[:_MAX_ITEMS]
    try:
        tags = dict.fromkeys(map(normalise, items))
    except TypeError:  # A list or an object inside is not hashable; checking first costs more than all the rest.
        tags = dict.fromkeys(map(normalise, _flatten(items)))
    words = tuple(filter(None, tags))
    return words if len(words) <= most else words[:most]


def _read_closed_field(value: object, normalise: _Normalise) -> str | None:
    """Return the value of a closed field; of a list, only if all its strings have the same value."""
    if isinstance(value, str):
        return normalise(value)
    if not isinstance(value, list):
        return None
    strings = [item for item in _flatten(cast("list[object]", value)) if isinstance(item, str)]
    words = {*map(normalise, strings)}
    return words.pop() if len(words) == 1 else None


def _flatten(items: list[object]) -> list[object]:
    """Return the items of nested lists in order, without objects."""
    flat: list[object] = []
    pending = items[:_MAX_ITEMS]
    pending.reverse()
    looked_at = 0
    while pending and looked_at < _MAX_ITEMS:
        looked_at += 1
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(reversed(cast("list[object]", item)[:_MAX_ITEMS]))
        elif not isinstance(item, dict):
            flat.append(item)
    return flat


# Single strings

# A few megabytes of typical tags.
_MAX_CACHED: Final = 1 << 15
# A longer string is no tag, whatever normalising would remove, and is not cached.
_MAX_STRING_LENGTH: Final = 2 * MAX_TAG_LENGTH

# Maps an item of one field to its tag, or to None.
_Normalise = Callable[[object], str | None]


class _NormaliserCache(dict[object, str | None]):
    """The tag of each string of one field, computed once: in a backfill nearly all strings have been seen before.

    A bounded dict, because a hit is cheaper than with `lru_cache`. Items that are not strings map to None.
    """

    def __init__(self, normalise: Callable[[str], str | None]) -> None:
        super().__init__()
        self._normalise = normalise

    def __missing__(self, text: object) -> str | None:
        if not isinstance(text, str):
            return None
        if len(text) > _MAX_STRING_LENGTH:
            text = " ".join(text.split())
            return self[text] if len(text) <= _MAX_STRING_LENGTH else None
        if len(self) >= _MAX_CACHED:
            self.clear()
        word = self[text] = self._normalise(text)
        return word


# Terminal escape sequences are removed as a whole; otherwise "[31m" would remain.
_ESCAPE_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*+(?:\x07|\x1b\\|\x9c)?|\x1b[ -~]?"
)
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co"})
# Also blank, although Unicode classifies them as letters, marks or symbols.
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
# Some models write typographic hyphens and apostrophes; people type searches on a keyboard.
_TYPED: Final = str.maketrans(dict.fromkeys("‐‑‒–—−", "-") | dict.fromkeys("‘’ʼ`", "'") | {"_": " "})

# These occur in broken JSON and markup, but in no tag.
_FRAGMENT: Final = re.compile(r'[{}\[\]"\\<>|:]')
_COLOUR_CODE: Final = re.compile(r"#[0-9a-f]{3,8}\b")
# A spreadsheet evaluates a cell that begins with one of = + - @ as a formula.
_EDGES: Final = " .,;!?*#'-•·…~/&+=@“”„«»"
_NOT_IN_A_WORD: Final = re.compile(r"[\W_]+")

_FORBIDDEN: Final = frozenset((*vocabulary.GENERIC_WORDS, *vocabulary.GENERIC_SPELLINGS))
_FORBIDDEN_ALONE: Final = frozenset(vocabulary.GENERIC_ALONE)
_NOT_A_MOOD: Final = frozenset(vocabulary.NOT_A_MOOD)


def _normalise_tag(text: str) -> str | None:
    """Return a string as a tag, or None if it is not usable.

    A tag that contains a forbidden word is dropped as a whole: without that word it would be a tag that no model gave.
    A tag that is too long is dropped as well: a truncated sentence is no tag. Hyphens separate words when looking for
    forbidden ones, but not when counting words.
    """
    # Turkish "İznik" would keep a combining dot above its i.
    tag = _remove_invisible(text).lower().replace("i\u0307", "i")
    if not tag.isascii():
        tag = unicodedata.normalize("NFKC", tag)
    tag = " ".join(tag.translate(_TYPED).split())
    if _FRAGMENT.search(tag) or _COLOUR_CODE.search(tag):
        return None
    tag = tag.strip(_EDGES)
    if len(tag) > MAX_TAG_LENGTH or tag.count(" ") >= MAX_TAG_WORDS:
        return None
    if tag in _FORBIDDEN_ALONE or not _FORBIDDEN.isdisjoint(_NOT_IN_A_WORD.split(tag)):
        return None
    return tag if any(map(str.isalnum, tag)) else None


def _normalise_mood(text: str) -> str | None:
    """Return a tag that says more than an attribute: "warm" and "cool-warm" are dropped, "warm nostalgia" is kept."""
    tag = _normalise_tag(text)
    if tag is None or _NOT_A_MOOD.issuperset(_NOT_IN_A_WORD.split(tag)):
        return None
    return tag


def _remove_invisible(text: str) -> str:
    """Return the text without invisible characters, in Unicode's NFKC form.

    Control characters would reach terminals, and a direction override or a zero-width space would make two tags of one.
    """
    if text.isascii() and text.isprintable():
        return text
    kept = "".join(
        " " if character.isspace() else character
        for character in _ESCAPE_SEQUENCE.sub("", text)
        if character.isspace()
        or (character not in _INVISIBLE and unicodedata.category(character) not in _INVISIBLE_CATEGORIES)
    )
    return unicodedata.normalize("NFKC", kept)


def _letters_and_digits(text: str) -> str:
    return "".join(filter(str.isalnum, _remove_invisible(text).lower()))


def _closed_list(words: tuple[str, ...], synonyms: Mapping[str, tuple[str, ...]] | None = None) -> _Normalise:
    """Return a lookup in a closed list: words in any spelling (`Split Complementary`, `valentine's`) and synonyms."""
    values = {_letters_and_digits(word): word for word in words}
    for word, others in (synonyms or {}).items():
        values.update({_letters_and_digits(other): word for other in others})
    return _NormaliserCache(lambda text: values.get(_letters_and_digits(text))).__getitem__


def _attribute_values(name: str) -> _Normalise:
    return _closed_list(vocabulary.ATTRIBUTES[name], vocabulary.SYNONYMS[name])


_MOOD: Final = _NormaliserCache(_normalise_mood).__getitem__
_TAG: Final = _NormaliserCache(_normalise_tag).__getitem__
_HARMONY: Final = _closed_list(vocabulary.HARMONY)
_TEMPERATURE: Final = _attribute_values("temperature")
_CONTRAST: Final = _attribute_values("contrast")
_BRIGHTNESS: Final = _attribute_values("brightness")
_SATURATION: Final = _attribute_values("saturation")
_SEASONAL: Final = _closed_list(vocabulary.SEASONAL)
