"""Iterating over the requests in one large JSON document without loading the document into memory."""

import mmap
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import orjson

# Whole strings, so that their contents are skipped, and the brackets outside of them.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_RELEASED_AT_ONCE = 16 * 1024 * 1024


class MalformedDocumentError(ValueError):
    """Not JSON, or not an object with the expected list."""


def rows_in(path: Path, name: str) -> Iterator[bytes]:
    """The raw members of the list `name` at the top level of the JSON object in a file.

    The members themselves are not validated as JSON. The document around the list is, after the last member.

    Raises:
        MalformedDocumentError: The file is empty, not JSON, or has no such list of objects.
    """
    if path.stat().st_size == 0:
        raise MalformedDocumentError("empty body")
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
        closing(_tokens(text)) as tokens,
    ):
        start = _find_list(tokens, name)
        end = yield from _members(text, tokens, name)
        try:
            orjson.loads(text[:start] + text[end:])
        except orjson.JSONDecodeError as error:
            raise MalformedDocumentError(str(error)) from error


def _tokens(text: mmap.mmap) -> Generator[re.Match[bytes]]:
    # A generator, because closing it lets go of the memory map, also while a traceback refers to its users.
    yield from _TOKEN.finditer(text)


def _find_list(tokens: Iterator[re.Match[bytes]], name: str) -> int:
    """The position after the opening bracket of the list."""
    depth, key, wanted = 0, b"", name.encode()
    for match in tokens:
        token = match.group()
        if token[:1] == b'"':
            if depth == 1:
                key = token[1:-1]
        elif token in (b"[", b"{"):
            if depth == 1 and token == b"[" and key == wanted:
                return match.end()
            depth += 1
        else:
            depth -= 1
    raise MalformedDocumentError(f"no list of {name}")


def _members(text: mmap.mmap, tokens: Iterator[re.Match[bytes]], name: str) -> Generator[bytes, None, int]:
    """The members of the list; returns the position of its closing bracket."""
    depth = member = released = 0
    for match in tokens:
        token = match.group()
        if token[:1] == b'"':
            if depth == 0:
                raise MalformedDocumentError(f"{name} holds a string where an object belongs")
        elif token in (b"[", b"{"):
            if depth == 0:
                member = match.start()
            depth += 1
        elif depth == 0:
            return match.start()
        else:
            depth -= 1
            if depth == 0:
                yield text[member : match.end()]
                released = _release(text, released, member)
    raise MalformedDocumentError(f"no list of {name}")


def _release(text: mmap.mmap, released: int, read: int) -> int:
    """Give pages that were read back to the system, or a large document would count as memory in use."""
    if read - released <= _RELEASED_AT_ONCE:
        return released
    page = read // mmap.PAGESIZE * mmap.PAGESIZE
    text.madvise(mmap.MADV_DONTNEED, released, page - released)
    return page
