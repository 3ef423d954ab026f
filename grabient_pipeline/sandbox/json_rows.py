"""The requests inside of one large JSON document, found without holding the document in memory."""

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

import orjson

# Strings as a whole (what is in them does not count), and the brackets outside of them.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_RELEASED_AT_ONCE = 16 * 1024 * 1024


class MalformedDocumentError(ValueError):
    """Not JSON, or not an object with the list that was looked for."""


def rows_in(path: Path, name: str) -> Iterator[bytes]:
    """The raw members of the list `name` at the top of the JSON object in a file.

    Members are not checked for being JSON in themselves; what stands around the list is.
    """
    if path.stat().st_size == 0:
        raise MalformedDocumentError("empty body")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        yield from _rows(text, name.encode())


def _rows(text: mmap.mmap, name: bytes) -> Iterator[bytes]:
    depth = 0
    before = b""
    start = end = row = -1
    released = 0
    for found in _TOKEN.finditer(text):
        token = found.group()
        if token[:1] == b'"':
            if depth == 1:
                before = token[1:-1]
            elif depth == 2 and start >= 0 and end < 0:
                raise MalformedDocumentError(f"{name.decode()} holds a string where an object belongs")
        elif token in (b"[", b"{"):
            if start < 0 and depth == 1 and token == b"[" and before == name:
                start = found.end()
            elif start >= 0 and end < 0 and depth == 2:
                row = found.start()
            depth += 1
        else:
            depth -= 1
            if start >= 0 and end < 0:
                if depth == 2:
                    yield text[row : found.end()]
                    if row - released > _RELEASED_AT_ONCE:
                        # What was read is given back, or a large document would count as memory in use.
                        text.madvise(mmap.MADV_DONTNEED, released, row // mmap.PAGESIZE * mmap.PAGESIZE - released)
                        released = row // mmap.PAGESIZE * mmap.PAGESIZE
                elif depth == 1:
                    end = found.start()
    if start < 0 or end < 0:
        raise MalformedDocumentError(f"no list of {name.decode()}")
    try:
        orjson.loads(text[:start] + text[end:])
    except orjson.JSONDecodeError as error:
        raise MalformedDocumentError(str(error)) from error
