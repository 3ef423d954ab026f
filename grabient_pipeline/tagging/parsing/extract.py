"""Take the JSON object out of an answer's text: past thinking, code fences and prose, with safe repairs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, cast

import orjson

from grabient_pipeline.tagging.parsing.answer import AnswerError, ParsedAnswer
from grabient_pipeline.tagging.parsing.normalise import unwrap_fields

# White space, and what str.strip() does not know: the byte order mark, zero-width space, NUL.
BLANK: Final = " \t\r\n\f\v\x00\u0085\u00a0\u200b\u2028\u2029\ufeff"

_THINKING_NAMES: Final = r"(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)"
# An unclosed block extends to the end, which also keeps this linear.
_THINKING: Final = re.compile(
    rf"<{_THINKING_NAMES}(?:\s[^<>]{{0,100}})?>.*?(?:</{_THINKING_NAMES}>|\Z)", re.IGNORECASE | re.DOTALL
)
_THINKING_END: Final = re.compile(rf"</{_THINKING_NAMES}>", re.IGNORECASE)

# A string (an unclosed one extends to the end) or a brace. Possessive quantifiers prevent backtracking.
_STRING: Final = r'"(?:[^"\\]++|\\.?)*+(?:"|\Z)'
_TOKEN: Final = re.compile(rf"{_STRING}|[{{}}]", re.DOTALL)
_TRAILING_COMMA: Final = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

# Objects and fences to try before giving up; real answers have one or two.
_MAX_CANDIDATES: Final = 32
# Characters to search for an object: far more than a model writes besides its thinking.
_MAX_SCANNED: Final = 1 << 18

_REFUSAL_PATTERN: Final = re.compile(
    r"\W*(?:i(?:'|\u2019)?\s?a?m (?:really |very |so )?(?:sorry|unable|not able)|sorry\b|"
    r"i (?:do )?apologi[sz]e|(?:unfortunately,? )?i (?:cannot|(?:ca|wo)n(?:'|\u2019)?t)\b|as an ai\b)",
    re.IGNORECASE,
)


def decode_json(text: str) -> object:
    """Return the JSON value, or None for invalid JSON and for `null`."""
    try:
        return cast("object", orjson.loads(text))
    except orjson.JSONDecodeError:
        return None


def find_object(text: str) -> dict[str, object] | ParsedAnswer:
    """Return the first object with a known field, else the first object, else an error.

    Fenced blocks come before the rest of the text; thinking is skipped.
    """
    text = _remove_thinking(_SURROGATE.sub("", text)).strip(BLANK)
    fenced = text.split("```")[1::2][:_MAX_CANDIDATES]
    first: dict[str, object] | None = None
    invalid = False
    for part in (*fenced, text):
        for candidate in _candidate_objects(part):
            found = _decode_object(candidate)
            if found is None:
                invalid = True
                continue
            if unwrap_fields(found) is not None:
                return found
            first = first or found
    return first if first is not None else _explain_failure(text, fenced, invalid)


def _explain_failure(text: str, fenced: list[str], invalid: bool) -> ParsedAnswer:
    """Return the error for a text without an object; `invalid`: it has balanced braces around something else."""
    bodies = (text, *(part.partition("\n")[2] for part in fenced))
    if any(decode_json(body) is not None for body in bodies) or text == "null":
        return ParsedAnswer.failed(AnswerError.NOT_AN_OBJECT, "JSON, but no object")
    if invalid:
        return ParsedAnswer.failed(AnswerError.INVALID_JSON, "braces, but no valid JSON between them")
    if "{" in text:
        return ParsedAnswer.failed(AnswerError.INVALID_JSON, "an object that does not end")
    if _REFUSAL_PATTERN.match(text[:200]):
        return ParsedAnswer.failed(AnswerError.REFUSED, "the model declined in words")
    return ParsedAnswer.failed(AnswerError.NO_JSON, "no object in the text")


def _remove_thinking(text: str) -> str:
    text = _THINKING.sub("", text)
    # Some chat templates put the opening tag into the prompt, so the answer has only the closing one.
    if "</" in text:
        return _THINKING_END.split(text)[-1]
    return text


def _candidate_objects(text: str) -> Iterator[str]:
    """Yield the outermost balanced `{...}` from left to right; for an unclosed object, those inside it."""
    start = text.find("{")
    # Nearly always there is one object, from the first brace to the last.
    whole = text[start : text.rfind("}") + 1] if start >= 0 else ""
    if isinstance(decode_json(whole), dict):
        yield whole
        return
    tried = 0
    while 0 <= start < _MAX_SCANNED:
        opened: list[int] = []
        closed: list[tuple[int, int]] = []
        end = len(text)
        for token in _TOKEN.finditer(text, start, _MAX_SCANNED):
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
            if tried == _MAX_CANDIDATES:
                return
            tried += 1
            yield text[begin:finish]
        start = text.find("{", end)


def _decode_object(candidate: str) -> dict[str, object] | None:
    """Decode, and if that fails, retry with the two repairs that cannot change the meaning.

    They replace control characters inside strings, such as line breaks, and drop commas before a closing bracket.
    """
    value = decode_json(candidate)
    if value is None:
        value = decode_json(_TRAILING_COMMA.sub(r"\1", _CONTROL.sub(" ", candidate)))
    return cast("dict[str, object]", value) if isinstance(value, dict) else None
