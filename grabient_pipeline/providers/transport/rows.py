"""Read what providers send: untrusted JSON, of which no row may raise.

Only shapes that several providers share; what a field means is decided in the provider's own module.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

import orjson

from grabient_pipeline.errors import ProviderUncertain
from grabient_pipeline.providers.base import ResultRow, UnreadableRow
from grabient_pipeline.providers.transport.errors import short_text

Row = Mapping[str, Any]
Page = TypeVar("Page")

_SPELLED_DAY = re.compile(r"(?P<month>[A-Z][a-z]+) (?P<day>[0-9]{1,2})(st|nd|rd|th)?, (?P<year>[0-9]{4})")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

# How much of an unreadable line is kept: a whole answer that only lacks its id was paid for too.
LONGEST_LINE = 32_768
# No request has so many: a count above this is none, and sums of such counts would not fit into a column.
_MOST_TOKENS = 10**10
# A provider's word for a service tier.
_TIER = re.compile(r"[a-z][a-z_]{0,39}")
# The counts of a `ResultRow`, in its order.
BilledTokens = tuple[int | None, int | None, int | None, int | None, int | None, int | None]
# A list begins with the newest batches. After this many that are not wanted, those that are can be asked for singly.
_MAX_UNWANTED = 500
# The kept line may hold a paid answer, so it loses what could drive a terminal and nothing else.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def read_line(line: bytes, read: Callable[[Row], ResultRow]) -> ResultRow | UnreadableRow:
    """Decode one line and read it with `read`; keep an unreadable line, shortened, with the reason."""
    try:
        value = _decode_json(line)
        if not isinstance(value, dict):
            raise TypeError("not a JSON object")
        return read(cast("Row", value))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        kept = _CONTROL.sub(" ", line[:LONGEST_LINE].decode("utf-8", "replace")).strip()
        return UnreadableRow(kept, short_text(reason))


def _decode_json(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # An answer may be cut off inside a surrogate pair. JSON can spell half a pair, UTF-8 cannot: replace it with a
        # question mark and keep the answer around it.
        text = json.dumps(json.loads(line), ensure_ascii=False).encode("utf-8", "replace")
        return orjson.loads(text)


def text_field(row: Row, name: str) -> str:
    """Return a field that must be present and a string.

    Raises:
        KeyError: the field is missing.
        TypeError: it is not a string.
    """
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value


def as_text(value: object) -> str | None:
    """Return the value if it is a string, else None."""
    return value if isinstance(value, str) else None


def as_mapping(value: object) -> Row:
    """Return the value if it is an object, else an empty one."""
    return cast("Row", value) if isinstance(value, dict) else {}


def plain_object(value: Any) -> Row:
    """Convert an SDK's object to a mapping, including fields that the SDK does not know or types differently."""
    return as_mapping(value.model_dump(warnings=False))


def read_batch(value: Any) -> Row:
    """Convert an SDK's batch object like `plain_object`.

    Raises:
        TypeError, KeyError, AttributeError: It has no id, so it is not a batch.
    """
    batch = plain_object(value)
    text_field(batch, "id")
    return batch


def as_list(value: object) -> list[object]:
    """Return the value if it is a list, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def page_entries(value: Any) -> list[Any]:
    """Return the entries of a page of a listing.

    Raises:
        TypeError: They are no list. An answer without entries must not count as a listing that found nothing.
    """
    if not isinstance(value, list):
        raise TypeError("the page has no list of entries")
    return cast("list[Any]", value)


def as_count(value: object) -> int | None:
    """Return a non-negative 64-bit integer, which providers send as a number or a string; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) and 0 <= value < 2**63 else None


def billed_tokens(
    input_tokens: int | None,
    output_tokens: int | None,
    *,
    cached: int | None,
    written: int | None = None,
    written_hour: int | None = None,
    reasoning: int | None,
) -> BilledTokens:
    """Return the token counts of a `ResultRow` after `error`, from counts that may contradict each other.

    What is read from the cache and written into it is never more than the input, and reasoning never more than the
    output: of a total that is not known, no part is.

    Args:
        input_tokens: All input, cached or not.
        output_tokens: All output, reasoning included.
        cached: Input read from the cache.
        written: Input written into the cache, for whatever time.
        written_hour: Of that, what is kept for an hour.
        reasoning: Output of hidden reasoning.
    """
    input_tokens, output_tokens = _possible(input_tokens), _possible(output_tokens)
    cached = _part_of(input_tokens, cached)
    written = _part_of(None if input_tokens is None else input_tokens - (cached or 0), written)
    return (
        input_tokens,
        output_tokens,
        cached,
        written,
        _part_of(written, written_hour),
        _part_of(output_tokens, reasoning),
    )


def as_tier(value: object) -> str | None:
    """Return the value if it may be the name of a service tier, else None."""
    return value if isinstance(value, str) and _TIER.fullmatch(value) else None


def _possible(tokens: int | None) -> int | None:
    return tokens if tokens is None or tokens <= _MOST_TOKENS else None


def _part_of(whole: int | None, part: int | None) -> int | None:
    return None if whole is None or part is None else min(part, whole)


def next_page(
    provider: str, has_more: object, last_id: object, after: str | None, members: str = "batches"
) -> str | None:
    """Return the cursor of the next page of a listing; None after the last page.

    Args:
        provider: The provider's key.
        has_more: What the page says about pages after it.
        last_id: The id of the page's last entry.
        after: The cursor of this page.
        members: What is listed.

    Raises:
        ProviderUncertain: There are more entries but no cursor to reach them, so the listing is incomplete.
    """
    if not has_more:
        return None
    if not isinstance(last_id, str) or not last_id or last_id == after:
        raise ProviderUncertain(
            provider, f"the list of {members} is incomplete: it has more entries but no cursor to reach them"
        )
    return last_id


def find_entries(entries: Iterable[Row], field: str, wanted: Collection[str]) -> Iterator[tuple[str, Row]]:
    """Yield the entries of a listing whose field is one of the wanted ids, each once and with its id.

    Ends when all are found, or after 500 other entries in a row.
    """
    missing = set(wanted)
    unwanted = 0
    for entry in entries if missing else ():
        name = entry.get(field)
        if isinstance(name, str) and name in missing:
            missing.remove(name)
            unwanted = 0
            yield name, entry
        else:
            unwanted += 1
        if not missing or unwanted >= _MAX_UNWANTED:
            return


def error_text(error: object, default: str) -> str:
    """Return `code: message` of an error object in the form of any provider, or the default if it has neither."""
    fields = as_mapping(error)
    code = fields.get("code") or fields.get("type") or fields.get("status")
    message = fields.get("message")
    parts = [short_text(part) for part in (code, message) if isinstance(part, str | int) and part != ""]
    return ": ".join(parts) or default


def iterate_pages(
    list_page: Callable[[str | None], Page], next_cursor: Callable[[Page, str | None], str | None]
) -> Iterator[Page]:
    """Yield the pages of a listing, one call each.

    The SDKs' own iterators are not used because they take an empty page for the last one.

    Args:
        list_page: Fetches the page at a cursor; None is the first page.
        next_cursor: The cursor after a page, given the page and its own cursor; None after the last page.
    """
    cursor: str | None = None
    while True:
        page = list_page(cursor)
        yield page
        cursor = next_cursor(page, cursor)
        if cursor is None:
            return


def read_day(value: object) -> tuple[dt.date | None, str | None]:
    """Return the day that a text or time stands for, in UTC; what it is instead, shortened, if it is none of them.

    The text is a day or a time as in ISO 8601, or a day as in `January 22nd, 2027`. None is neither.
    """
    if value is None:
        return None, None
    try:
        if isinstance(value, str):
            spelled = _SPELLED_DAY.fullmatch(value)
            if spelled and spelled["month"] in _MONTHS:
                return dt.date(int(spelled["year"]), _MONTHS.index(spelled["month"]) + 1, int(spelled["day"])), None
            value = dt.datetime.fromisoformat(value)
        if isinstance(value, dt.datetime):
            return (value if value.tzinfo is None else value.astimezone(dt.UTC)).date(), None
    except (ValueError, OverflowError):
        pass
    return None, short_text(value, 60)


def epoch_time(value: object) -> dt.datetime | None:
    """Convert seconds since 1970 to a time; None if the value is not one."""
    seconds = as_count(value)
    return None if seconds is None or seconds > 2**33 else dt.datetime.fromtimestamp(seconds, dt.UTC)
