"""Reading what a provider sent: nothing in it is taken on trust, and nothing in it raises."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson

from grabient_pipeline.errors import ProviderUncertain
from grabient_pipeline.providers.base import ResultRow, UnreadableRow
from grabient_pipeline.providers.transport.errors import short_text

Row = Mapping[str, Any]

# Of a line that cannot be read so much is kept: a whole answer that only lacks its id was paid for too.
LONGEST_LINE = 32_768
# The kept line may hold a paid answer, so it loses what could drive a terminal and nothing else.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def read_line(line: bytes, read: Callable[[Row], ResultRow]) -> ResultRow | UnreadableRow:
    """Decode one line and hand it on; what cannot be read is kept as it came, shortened, with the reason."""
    try:
        value = _decoded(line)
        if not isinstance(value, dict):
            raise TypeError("not a JSON object")
        return read(cast("Row", value))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        kept = _CONTROL.sub(" ", line[:LONGEST_LINE].decode("utf-8", "replace")).strip()
        return UnreadableRow(kept, short_text(reason))


def _decoded(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # Half a surrogate pair, which a model may be cut off in, can be spelt in JSON but is no text: a question mark
        # stands for it, and the answer around it is kept.
        text = json.dumps(json.loads(line), ensure_ascii=False).encode("utf-8", "replace")
        return orjson.loads(text)


def text_field(row: Row, name: str) -> str:
    """A field that must be there as text."""
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value


def optional_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def mapping(value: object) -> Row:
    """The value if it is an object, else an empty one."""
    return cast("Row", value) if isinstance(value, dict) else {}


def plain_object(value: Any) -> Row:
    """An SDK's object as a plain one, with the fields that the SDK does not know or types otherwise."""
    return mapping(value.model_dump(warnings=False))


def items(value: object) -> list[object]:
    """The value if it is a list, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def count(value: object) -> int | None:
    """A number of things: providers send them as numbers and as strings."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) and 0 <= value < 2**63 else None


def following(provider: str, has_more: object, last_id: object, after: str | None) -> str | None:
    """Where the next page of a listing begins; None after the last one.

    Raises:
        ProviderUncertain: there is more, and no way to it: what was seen is not all.
    """
    if not has_more:
        return None
    if not isinstance(last_id, str) or not last_id or last_id == after:
        raise ProviderUncertain(provider, "the list of batches breaks off: there is more, and no way to it")
    return last_id


def error_text(error: object, otherwise: str) -> str:
    """`code: message` of an error object in any of the providers' forms."""
    fields = mapping(error)
    code = fields.get("code") or fields.get("type") or fields.get("status")
    message = fields.get("message")
    parts = [short_text(part) for part in (code, message) if isinstance(part, str | int) and part != ""]
    return ": ".join(parts) or otherwise


def epoch_time(value: object) -> dt.datetime | None:
    """A time given as seconds since 1970."""
    seconds = count(value)
    return None if seconds is None or seconds > 2**33 else dt.datetime.fromtimestamp(seconds, dt.UTC)
