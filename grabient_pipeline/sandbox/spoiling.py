"""Rows of results, spoiled on their way out: each way is one function from lines to lines."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from typing import Any

import orjson

from grabient_pipeline.sandbox.faults import Fault

_BETWEEN_WORDS = re.compile(rb"(?<=[a-z]) (?=[a-z])")
_SEPARATORS = ("\u2028".encode(), "\u0085".encode())
_GARBAGE = b'{"custom_id": "half a r'
_LINES_A_CHUNK = 256


class StrangeRow:
    """Makes rows for custom ids that were never sent, in a provider's shape."""

    def __init__(self, template: dict[str, Any], key: str) -> None:
        self.key = key
        self._template = template

    def line(self, number: int) -> bytes:
        return orjson.dumps({**self._template, self.key: f"never-sent-{number}"})


def spoiled(lines: Iterator[bytes], faults: list[Fault], strange: StrangeRow) -> Iterator[bytes]:
    """The lines with everything done to them that is armed, in chunks."""
    ending = b"\n"
    for fault in faults:
        if fault.name == "crlf_lines":
            ending = b"\r\n"
        else:
            lines = _WAYS[fault.name](lines, fault, strange)
    while chunk := list(islice(lines, _LINES_A_CHUNK)):
        yield ending.join(chunk) + ending


def _missing(lines: Iterator[bytes], fault: Fault, _: StrangeRow) -> Iterator[bytes]:
    return islice(lines, fault["count"], None)


def _twice(lines: Iterator[bytes], fault: Fault, _: StrangeRow) -> Iterator[bytes]:
    for line in islice(lines, fault["count"]):
        yield line
        yield line
    yield from lines


def _unknown(lines: Iterator[bytes], fault: Fault, strange: StrangeRow) -> Iterator[bytes]:
    return _among(lines, [strange.line(number) for number in range(fault["count"])])


def _garbage(lines: Iterator[bytes], fault: Fault, _: StrangeRow) -> Iterator[bytes]:
    return _among(lines, [_GARBAGE] * fault["count"])


def _among(lines: Iterator[bytes], others: list[bytes]) -> Iterator[bytes]:
    # After the first line, so that a reader is already under way.
    yield from islice(lines, 1)
    yield from others
    yield from lines


def _keyless(lines: Iterator[bytes], fault: Fault, strange: StrangeRow) -> Iterator[bytes]:
    for line in islice(lines, fault["count"]):
        row = orjson.loads(line)
        row.pop(strange.key, None)
        yield orjson.dumps(row)
    yield from lines


def _separated(lines: Iterator[bytes], _: Fault, __: StrangeRow) -> Iterator[bytes]:
    # Outside of strings there are no spaces, so the lines stay the JSON that they were.
    separators = cycle(_SEPARATORS)
    return map(partial(_BETWEEN_WORDS.sub, lambda _: next(separators)), lines)


_WAYS: dict[str, Callable[[Iterator[bytes], Fault, StrangeRow], Iterator[bytes]]] = {
    "missing_rows": _missing,
    "duplicate_rows": _twice,
    "unknown_rows": _unknown,
    "garbage_rows": _garbage,
    "keyless_rows": _keyless,
    "line_separators": _separated,
}
