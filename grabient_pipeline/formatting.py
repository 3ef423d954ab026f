"""Text for people: counts with their nouns, money, and text of unknown origin as one safe line."""

from __future__ import annotations

import re

_NEWLINES = re.compile(r"\n+")


def pluralize(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: `1 batch`, `1,456 requests`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def dollars(amount: float) -> str:
    """Format US dollars: whole cents, and four decimals for less than a cent."""
    return f"${amount:.4f}" if 0 < amount < 0.01 else f"${amount:,.2f}"


def printable(text: object, limit: int | None = None, replacement: str = " ") -> str:
    """Return text as one line that any terminal shows as it stands.

    Args:
        text: what a file, a provider or a person said.
        limit: the most characters to keep; a longer text ends in an ellipsis.
        replacement: stands for each run of characters that are not printable.
    """
    value = str(text)
    if not value.isprintable():
        marked = "".join(character if character.isprintable() else "\n" for character in value)
        value = _NEWLINES.sub(replacement, marked)
    return value if limit is None or len(value) <= limit else f"{value[: limit - 1]}…"


def known_count(count: int | None, unknown: str = "–") -> str:
    """Return `14,560`, or a dash for a count that nobody knows."""
    return unknown if count is None else f"{count:,}"
