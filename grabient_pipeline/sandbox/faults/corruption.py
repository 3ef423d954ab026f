"""Damage to the rows of a downloaded result file. Each kind is one function from lines to lines."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from typing import Any

import orjson

from grabient_pipeline.sandbox.faults.armed import Fault

_BETWEEN_WORDS = re.compile(rb"(?<=[a-z]) (?=[a-z])")
_SEPARATORS = ("\u2028".encode(), "\u0085".encode())
_GARBAGE = b'{"custom_id": "half a r'
_LINES_PER_CHUNK = 256


class UnknownRow:
    """Makes rows with custom ids that were never sent, in a provider's format; `key` is the name of the id's field."""

    def __init__(self, template: dict[str, Any], key: str) -> None:
        self.key = key
        self._template = template

    def line(self, number: int) -> bytes:
        """The row with this number."""
        return orjson.dumps({**self._template, self.key: f"never-sent-{number}"})


def corrupt_lines(lines: Iterator[bytes], faults: list[Fault], unknown_row: UnknownRow) -> Iterator[bytes]:
    """Apply every fault to the lines; yields chunks of many lines."""
    ending = b"\n"
    for fault in faults:
        if fault.name == "crlf_lines":
            ending = b"\r\n"
        else:
            lines = _CORRUPTIONS[fault.name](lines, fault, unknown_row)
    while chunk := list(islice(lines, _LINES_PER_CHUNK)):
        yield ending.join(chunk) + ending


def _drop(lines: Iterator[bytes], fault: Fault, _: UnknownRow) -> Iterator[bytes]:
    return islice(lines, fault["count"], None)


def _duplicate(lines: Iterator[bytes], fault: Fault, _: UnknownRow) -> Iterator[bytes]:
    for line in islice(lines, fault["count"]):
        yield line
        yield line
    yield from lines


def _add_unknown(lines: Iterator[bytes], fault: Fault, unknown_row: UnknownRow) -> Iterator[bytes]:
    return _insert(lines, [unknown_row.line(number) for number in range(fault["count"])])


def _add_garbage(lines: Iterator[bytes], fault: Fault, _: UnknownRow) -> Iterator[bytes]:
    return _insert(lines, [_GARBAGE] * fault["count"])


def _insert(lines: Iterator[bytes], others: list[bytes]) -> Iterator[bytes]:
    # After the first line, so that a reader has already started.
    yield from islice(lines, 1)
    yield from others
    yield from lines


def _remove_keys(lines: Iterator[bytes], fault: Fault, unknown_row: UnknownRow) -> Iterator[bytes]:
    for line in islice(lines, fault["count"]):
        row = orjson.loads(line)
        row.pop(unknown_row.key, None)
        yield orjson.dumps(row)
    yield from lines


def _insert_separators(lines: Iterator[bytes], _: Fault, __: UnknownRow) -> Iterator[bytes]:
    # The JSON has no spaces outside of strings, so it stays valid.
    separators = cycle(_SEPARATORS)
    return map(partial(_BETWEEN_WORDS.sub, lambda _: next(separators)), lines)


_CORRUPTIONS: dict[str, Callable[[Iterator[bytes], Fault, UnknownRow], Iterator[bytes]]] = {
    "missing_rows": _drop,
    "duplicate_rows": _duplicate,
    "unknown_rows": _add_unknown,
    "garbage_rows": _add_garbage,
    "keyless_rows": _remove_keys,
    "line_separators": _insert_separators,
}
