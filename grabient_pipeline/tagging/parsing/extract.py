"""What is made of a model's answer: tags, or the reason why there are none.

`parse_answer` is a pure function of the raw text and the finish reason. Raw answers are kept as they came, so
a better parser costs a re-reading and not a bill. It never raises, and its time is linear in the length of
the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, cast

import orjson

from grabient_pipeline.tagging import vocabulary

# Raise it when the result for some text changes: stored answers that were read by another version are read
# again.
PARSER_VERSION: int = 2

LONGEST_TAG: Final = 100
MOST_WORDS: Final = 4

# Far more than is asked for: a model that lists more has lost its way, and its tail would only weigh in the
# counts.
MOST_TAGS: Final = {"mood": 16, "style": 16, "associations": 32}


class AnswerError(StrEnum):
    """Why an answer has no tags. An error text is this code, a colon and an explanation."""

    TRUNCATED = "truncated"
    REFUSED = "refused"
    NO_TEXT = "no_text"
    NO_JSON = "no_json"
    INVALID_JSON = "invalid_json"
    NOT_AN_OBJECT = "not_an_object"
    EMPTY = "empty"


# Named tuples, as one of each is made for every answer: a frozen dataclass takes four times as long.
class Tags(NamedTuple):
    """The tags of one answer, normalised; a closed field that could not be understood is None."""

    mood: tuple[str, ...]
    style: tuple[str, ...]
    harmony: tuple[str, ...]
    temperature: str | None
    contrast: str | None
    brightness: str | None
    saturation: str | None
    seasonal: tuple[str, ...]
    associations: tuple[str, ...]

    def as_json(self) -> str:
        """The fields in their order, as one object: what the tables take."""
        return orjson.dumps(self._asdict()).decode()


class ParsedAnswer(NamedTuple):
    """Tags or an error; exactly one of them is set."""

    tags: Tags | None
    error: str | None


def parse_answer(text: str | None, finish_reason: str | None = None) -> ParsedAnswer:
    """Read one answer.

    The finish reason comes first: a truncated or refused answer is an error even where an object stands
    complete in it, since what the model still meant to say is not known. A reason that is not known here is
    no obstacle.
    """
    if finish_reason is not None and finish_reason not in _FINE_REASONS:
        reason = finish_reason.strip().lower()
        if reason in _TRUNCATED_REASONS:
            return _failed(AnswerError.TRUNCATED, f"the model was cut off ({reason})")
        if reason in _REFUSED_REASONS:
            return _failed(AnswerError.REFUSED, f"the model or its provider declined ({reason})")
    text = text.strip(_BLANK) if text else ""
    if not text:
        return _failed(AnswerError.NO_TEXT, "there is no text")

    # Nearly all answers are one object and nothing else.
    answer = _decoded(text) if text[0] == "{" else None
    if not isinstance(answer, dict):
        found = _find_object(text)
        if isinstance(found, ParsedAnswer):
            return found
        answer = found
    tags = _tags(cast("dict[str, object]", answer))
    return _failed(AnswerError.EMPTY, "no usable tag in the object") if tags is None else ParsedAnswer(tags, None)


def _failed(code: AnswerError, explanation: str) -> ParsedAnswer:
    return ParsedAnswer(None, f"{code}: {explanation}")


# How the providers say that an answer is whole, cut off or withheld. OpenAI, Groq and Anthropic write lower
# case, Google upper case; the first set is for the fast way and is matched as it comes.
_FINE_REASONS: Final = frozenset({"stop", "end_turn", "tool_use", "tool_calls", "stop_sequence", "STOP"})
_TRUNCATED_REASONS: Final = frozenset({"length", "max_tokens", "model_context_window_exceeded"})
_REFUSED_REASONS: Final = frozenset(
    {
        "content_filter",
        "refusal",
        "safety",
        "recitation",
        "language",
        "blocklist",
        "prohibited_content",
        "spii",
        "image_safety",
        "image_prohibited_content",
        "image_recitation",
        "model_armor",
        "jailbreak",
    }
)

# White space, and what str.strip() does not know: the byte order mark, zero-width space, NUL.
_BLANK: Final = " \t\r\n\f\v\x00\u0085\u00a0\u200b\u2028\u2029\ufeff"


# --- Taking the object out of the text ----------------------------------------------------------------------

_THINKING_NAMES: Final = r"(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)"
# An unclosed block reaches to the end, which also keeps this linear.
_THINKING: Final = re.compile(
    rf"<{_THINKING_NAMES}(?:\s[^<>]{{0,100}})?>.*?(?:</{_THINKING_NAMES}>|\Z)", re.IGNORECASE | re.DOTALL
)
_THINKING_END: Final = re.compile(rf"</{_THINKING_NAMES}>", re.IGNORECASE)

# A string (also an unclosed one: it reaches to the end) or a brace. Possessive, so that nothing is tried
# twice.
_STRING: Final = r'"(?:[^"\\]++|\\.?)*+(?:"|\Z)'
_TOKEN: Final = re.compile(rf"{_STRING}|[{{}}]", re.DOTALL)
_TRAILING_COMMA: Final = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

# Objects and fences that are tried before giving up; real answers have one or two.
_MOST_CANDIDATES: Final = 32
# Characters that are searched for an object: far more than a model writes beside its thinking.
_MOST_SCANNED: Final = 1 << 18

_REFUSAL: Final = re.compile(
    r"\W*(?:i(?:'|\u2019)?\s?a?m (?:really |very |so )?(?:sorry|unable|not able)|sorry\b|"
    r"i (?:do )?apologi[sz]e|(?:unfortunately,? )?i (?:cannot|(?:ca|wo)n(?:'|\u2019)?t)\b|as an ai\b)",
    re.IGNORECASE,
)


def _decoded(text: str) -> object:
    """The JSON value; None where it is none, and for `null`, which holds no object either."""
    try:
        return cast("object", orjson.loads(text))
    except orjson.JSONDecodeError:
        return None


def _find_object(text: str) -> dict[str, object] | ParsedAnswer:
    """The first object with a field of ours: in a fenced block, else anywhere outside of thinking."""
    text = _without_thinking(_SURROGATE.sub("", text)).strip(_BLANK)
    fenced = text.split("```")[1::2][:_MOST_CANDIDATES]
    seen: dict[str, object] | None = None
    invalid = False
    for part in (*fenced, text):
        for candidate in _candidates(part):
            found = _object(candidate)
            if found is None:
                invalid = True
                continue
            if _with_fields(found) is not None:
                return found
            seen = seen or found
    if seen is not None:
        return seen
    bodies = (text, *(part.partition("\n")[2] for part in fenced))
    if any(_decoded(body) is not None for body in bodies) or text == "null":
        return _failed(AnswerError.NOT_AN_OBJECT, "JSON, but no object")
    if invalid:
        return _failed(AnswerError.INVALID_JSON, "braces, but no valid JSON between them")
    if "{" in text:
        return _failed(AnswerError.INVALID_JSON, "an object that does not end")
    if _REFUSAL.match(text[:200]):
        return _failed(AnswerError.REFUSED, "the model declined in words")
    return _failed(AnswerError.NO_JSON, "no object in the text")


def _without_thinking(text: str) -> str:
    text = _THINKING.sub("", text)
    # Some chat templates give the opening tag to the prompt, so that an answer has the closing one only.
    if "</" in text:
        return _THINKING_END.split(text)[-1]
    return text


def _candidates(text: str) -> Iterator[str]:
    """The outermost balanced `{...}` from left to right; of an object that does not end, those inside it."""
    start = text.find("{")
    # Nearly always there is one object, from the first brace to the last.
    whole = text[start : text.rfind("}") + 1] if start >= 0 else ""
    if isinstance(_decoded(whole), dict):
        yield whole
        return
    tried = 0
    while 0 <= start < _MOST_SCANNED:
        opened: list[int] = []
        closed: list[tuple[int, int]] = []
        end = len(text)
        for token in _TOKEN.finditer(text, start, _MOST_SCANNED):
            brace = token.group()
            if brace == "{":
                opened.append(token.start())
            elif brace == "}":
                begin = opened.pop()
                while closed and closed[-1][0] > begin:
                    closed.pop()
                closed.append((begin, token.end()))
                if not opened:
                    end = token.end()
                    break
        for begin, finish in closed:
            if tried == _MOST_CANDIDATES:
                return
            tried += 1
            yield text[begin:finish]
        start = text.find("{", end)


def _object(candidate: str) -> dict[str, object] | None:
    """Decode; where that fails, once more with the two repairs that cannot change a meaning.

    These are line breaks and other control characters inside strings, and commas before a closing bracket.
    """
    value = _decoded(candidate)
    if value is None:
        value = _decoded(_TRAILING_COMMA.sub(r"\1", _CONTROL.sub(" ", candidate)))
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


# --- Fields -------------------------------------------------------------------------------------------------

_FIELDS: Final = frozenset(vocabulary.FIELDS)

# {"result": {"tags": {...}}} is as deep as wrappers were seen to go.
_DEEPEST_WRAPPER: Final = 3

# List items that are looked at in one field; the rest of an endless list is left alone.
_MOST_ITEMS: Final = 256


_MOST_MOODS, _MOST_STYLES, _MOST_ASSOCIATIONS = (MOST_TAGS[field] for field in ("mood", "style", "associations"))


def _tags(answer: dict[str, object]) -> Tags | None:
    """The tags of an object, None if nothing is left of it."""
    if not answer.keys() >= _FIELDS:
        unwrapped = _with_fields(answer)
        if unwrapped is None:
            return None
        answer = unwrapped
    get = answer.get
    mood = _words(get("mood"), _MOOD, _MOST_MOODS)
    style = _words(get("style"), _TAG, _MOST_STYLES)
    harmony = _words(get("harmony"), _HARMONY)
    temperature = _one_word(get("temperature"), _TEMPERATURE)
    contrast = _one_word(get("contrast"), _CONTRAST)
    brightness = _one_word(get("brightness"), _BRIGHTNESS)
    saturation = _one_word(get("saturation"), _SATURATION)
    seasonal = _words(get("seasonal"), _SEASONAL)
    associations = _words(get("associations"), _TAG, _MOST_ASSOCIATIONS)
    if not (mood or style or harmony or seasonal or associations) and not (
        temperature or contrast or brightness or saturation
    ):
        return None
    return Tags(mood, style, harmony, temperature, contrast, brightness, saturation, seasonal, associations)


def _with_fields(value: object, deepest: int = _DEEPEST_WRAPPER) -> dict[str, object] | None:
    """The object that has our fields, in any case: this one, or the only one inside it that has them."""
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
    if deepest == 0:
        return None
    inside = [found for child in answer.values() if (found := _with_fields(child, deepest - 1)) is not None]
    return inside[0] if len(inside) == 1 else None


def _words(value: object, meaning: _Meaning, most: int = _MOST_ITEMS) -> tuple[str, ...]:
    """What the strings of a field mean, without repeats, so many at most; a lone string is a list of one."""
    if isinstance(value, str):
        value = [value]
    elif not isinstance(value, list):
        return ()
    items = cast("list[object]", value)
    if len(items) > _MOST_ITEMS:
        items = items[:_MOST_ITEMS]
    try:
        meant = dict.fromkeys(map(meaning, items))
    except TypeError:  # A list or an object in the list cannot be looked up; asking first costs more than all else.
        meant = dict.fromkeys(map(meaning, _flat(items)))
    words = tuple(filter(None, meant))
    return words if len(words) <= most else words[:most]


def _one_word(value: object, meaning: _Meaning) -> str | None:
    """What a closed field means; a list only if all its strings mean the same."""
    if isinstance(value, str):
        return meaning(value)
    if not isinstance(value, list):
        return None
    strings = [item for item in _flat(cast("list[object]", value)) if isinstance(item, str)]
    words = {*map(meaning, strings)}
    return words.pop() if len(words) == 1 else None


def _flat(items: list[object]) -> list[object]:
    """The items of lists of any depth in order, without objects."""
    flat: list[object] = []
    pending = items[:_MOST_ITEMS]
    pending.reverse()
    looked_at = 0
    while pending and looked_at < _MOST_ITEMS:
        looked_at += 1
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(reversed(cast("list[object]", item)[:_MOST_ITEMS]))
        elif not isinstance(item, dict):
            flat.append(item)
    return flat


# --- Single strings -----------------------------------------------------------------------------------------

# A few megabytes of usual tags.
_MOST_MEANINGS: Final = 1 << 15
# What is longer is no tag, whatever normalising would take away, and is not remembered.
_LONGEST_STRING: Final = 2 * LONGEST_TAG


# What a string, or whatever else stands in its place, means in one field; None if nothing.
_Meaning = Callable[[object], str | None]


class _Meanings(dict[object, str | None]):
    """What strings mean in one field, each worked out once: over a backfill nearly all have been seen before.

    A bounded dict, since a hit costs less than one in `lru_cache`. What is not a string means nothing.
    """

    def __init__(self, meaning: Callable[[str], str | None]) -> None:
        super().__init__()
        self._meaning = meaning

    def __missing__(self, text: object) -> str | None:
        if not isinstance(text, str):
            return None
        if len(text) > _LONGEST_STRING:
            text = " ".join(text.split())
            return self[text] if len(text) <= _LONGEST_STRING else None
        if len(self) >= _MOST_MEANINGS:
            self.clear()
        word = self[text] = self._meaning(text)
        return word


# Terminal escape sequences go as a whole; without this "[31m" would stay of them.
_ESCAPE_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*+(?:\x07|\x1b\\|\x9c)?|\x1b[ -~]?"
)
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co"})
# Blank as well, though Unicode counts them as letters, marks or symbols.
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}
# Some models write typographic hyphens and apostrophes; a search is typed on a keyboard.
_TYPED: Final = str.maketrans(dict.fromkeys("‐‑‒–—−", "-") | dict.fromkeys("‘’ʼ`", "'") | {"_": " "})

# No tag has these; broken JSON and mark-up have.
_FRAGMENT: Final = re.compile(r'[{}\[\]"\\<>|:]')
_COLOUR_CODE: Final = re.compile(r"#[0-9a-f]{3,8}\b")
# A spreadsheet takes what begins with one of = + - @ for a formula.
_EDGES: Final = " .,;!?*#'-•·…~/&+=@“”„«»"
_NOT_IN_A_WORD: Final = re.compile(r"[\W_]+")

_FORBIDDEN: Final = frozenset((*vocabulary.GENERIC_WORDS, *vocabulary.GENERIC_SPELLINGS))
_FORBIDDEN_ALONE: Final = frozenset(vocabulary.GENERIC_ALONE)
_NOT_A_MOOD: Final = frozenset(vocabulary.NOT_A_MOOD)


def _tag(text: str) -> str | None:
    """A string as a tag, None if it is none.

    A tag with a forbidden word in it goes as a whole: cut down to its other words it would be a tag that no
    model gave. One that is too long goes as well: a sentence cut short is no tag. Hyphens part words for the
    forbidden ones, but not for the count of words.
    """
    # Turkish "İznik" would keep a loose dot above its i.
    tag = _readable(text).lower().replace("i\u0307", "i")
    if not tag.isascii():
        tag = unicodedata.normalize("NFKC", tag)
    tag = " ".join(tag.translate(_TYPED).split())
    if _FRAGMENT.search(tag) or _COLOUR_CODE.search(tag):
        return None
    tag = tag.strip(_EDGES)
    if len(tag) > LONGEST_TAG or tag.count(" ") >= MOST_WORDS:
        return None
    if tag in _FORBIDDEN_ALONE or not _FORBIDDEN.isdisjoint(_NOT_IN_A_WORD.split(tag)):
        return None
    return tag if any(map(str.isalnum, tag)) else None


def _mood(text: str) -> str | None:
    """A tag that says more than an attribute: "warm" goes and so does "cool-warm", "warm nostalgia" stays."""
    tag = _tag(text)
    if tag is None or _NOT_A_MOOD.issuperset(_NOT_IN_A_WORD.split(tag)):
        return None
    return tag


def _readable(text: str) -> str:
    """The text without what cannot be seen, in Unicode's compatible composed form.

    Control characters reach terminals, and a direction override or a zero-width space makes two tags of one.
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


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, _readable(text).lower()))


def _listed(words: tuple[str, ...], synonyms: Mapping[str, tuple[str, ...]] | None = None) -> _Meaning:
    """A closed list: each word in any spelling (`Split Complementary`, `valentine's`), and its synonyms."""
    meant = {_letters(word): word for word in words}
    for word, others in (synonyms or {}).items():
        meant.update({_letters(other): word for other in others})
    return _Meanings(lambda text: meant.get(_letters(text))).__getitem__


def _attribute(name: str) -> _Meaning:
    return _listed(vocabulary.ATTRIBUTES[name], vocabulary.SYNONYMS[name])


_MOOD: Final = _Meanings(_mood).__getitem__
_TAG: Final = _Meanings(_tag).__getitem__
_HARMONY: Final = _listed(vocabulary.HARMONY)
_TEMPERATURE: Final = _attribute("temperature")
_CONTRAST: Final = _attribute("contrast")
_BRIGHTNESS: Final = _attribute("brightness")
_SATURATION: Final = _attribute("saturation")
_SEASONAL: Final = _listed(vocabulary.SEASONAL)
