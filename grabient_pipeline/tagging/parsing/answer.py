"""The result of reading an answer: tags, or an error code with an explanation."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import orjson


class AnswerError(StrEnum):
    """Why an answer has no tags. An error text is this code, a colon and an explanation."""

    TRUNCATED = "truncated"
    REFUSED = "refused"
    NO_TEXT = "no_text"
    NO_JSON = "no_json"
    INVALID_JSON = "invalid_json"
    NOT_AN_OBJECT = "not_an_object"
    EMPTY = "empty"


# Named tuples, because one of each is created per answer: a frozen dataclass takes four times as long.
class Tags(NamedTuple):
    """The normalised tags of one answer. A closed field is None if its value was not recognised."""

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
        """Return the fields in their order as a JSON object, which is the form the tables store."""
        return orjson.dumps(self._asdict()).decode()


class ParsedAnswer(NamedTuple):
    """Tags or an error; exactly one of them is set."""

    tags: Tags | None
    error: str | None

    @classmethod
    def failed(cls, code: AnswerError, explanation: str) -> ParsedAnswer:
        """Return an answer without tags."""
        return cls(None, f"{code}: {explanation}")
