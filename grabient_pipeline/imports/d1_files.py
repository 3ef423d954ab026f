"""Palettes from a file that was exported from D1: an SQLite file, or the SQL text that `wrangler d1 export` writes.

A file from somewhere is not trusted. An SQLite file is opened for reading, and nothing but reading is allowed in it. Of
an SQL text nothing is carried out but its inserts of values, into tables of our own making in a scratch database.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, TextIO
from urllib.parse import quote

from grabient_pipeline.errors import ImportFileError
from grabient_pipeline.imports.files import InvalidRow, PaletteRow, excerpt
from grabient_pipeline.imports.site import default_query, one_query, site_row

# D1 takes no longer statement; a row has two megabytes at most.
LONGEST_STATEMENT: Final = 8 * 1024**2
# A query over such a file takes milliseconds; one that was made not to end is ended.
MOST_SECONDS: Final = 120.0

_NOT_SQLITE: Final = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_READING: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION})
# What a dump writes texts with that a literal cannot hold.
_FUNCTIONS: Final = frozenset({"replace", "char", "unistr", "unistr_quote"})
_HARMFUL: Final = frozenset({"load_extension", "writefile", "edit", "fts3_tokenizer"})

Rows = Iterator[PaletteRow | InvalidRow]
_Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


def sqlite_rows(path: Path, query: str | None = None) -> Rows:
    """The palettes in an SQLite file.

    Raises:
        SettingsError: the query is not one SELECT.
        ImportFileError: the file is none, or has not the tables that the query asks for.
    """
    # Immutable: no journal is looked for beside it and no lock is taken.
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            yield from _asked(connection, path, query)
    except sqlite3.Error as error:
        raise ImportFileError(f"{path}: is no SQLite file that can be read ({error})") from error


def dump_rows(path: Path, query: str | None = None) -> Rows:
    """The palettes in an SQL text; an insert that cannot be carried out is told by the number of its statement.

    Raises:
        SettingsError: the query is not one SELECT.
        ImportFileError: the file is none, or has not the tables that the query asks for.
    """
    with (
        tempfile.TemporaryDirectory(prefix="grabient-d1-") as folder,
        closing(sqlite3.connect(Path(folder) / "scratch.sqlite", isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        try:
            with path.open(encoding="utf-8-sig", newline="\n") as stream:
                yield from _inserted(connection, path, stream)
        except UnicodeDecodeError as error:
            raise ImportFileError(f"{path}: is not UTF-8 text (byte {error.start}); export it again") from error
        except OSError as error:
            raise ImportFileError(f"{path}: cannot be read ({error.strerror or error})") from error
        yield from _asked(connection, path, query)


def _asked(connection: sqlite3.Connection, path: Path, query: str | None) -> Rows:
    asked = one_query(default_query() if query is None else query)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    deadline = time.monotonic() + MOST_SECONDS
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 100_000)
    connection.set_authorizer(_only_reading)
    try:
        cursor = connection.execute(f"SELECT * FROM (\n{asked}\n)")  # noqa: S608
        columns = [name for name, *_ in cursor.description]
        for number, row in enumerate(cursor, start=1):
            yield site_row(number, dict(zip(columns, row, strict=True)))
    except sqlite3.Error as error:
        if error.sqlite_errorname in _NOT_SQLITE:
            raise
        raise ImportFileError(
            f"{path}: does not answer the query for palettes ({error}); is it an export of the site's database? "
            "--d1-query asks another"
        ) from error


def _only_reading(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    harmless = action in _READING and second not in _HARMFUL
    return sqlite3.SQLITE_OK if harmless else sqlite3.SQLITE_DENY


def _inserted(connection: sqlite3.Connection, path: Path, stream: TextIO) -> Iterator[InvalidRow]:
    tables: set[str] = set()

    def only_inserting(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        allowed = (
            (action == sqlite3.SQLITE_INSERT and first in tables)
            or (action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS)
            or action == sqlite3.SQLITE_SELECT
        )
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    connection.execute("BEGIN")
    found = False
    for number, statement in enumerate(statements(path, stream), start=1):
        if made := table_of(statement):
            name, columns = made
            if name not in tables and not name.lower().startswith("sqlite_") and columns:
                _make_table(connection, name, columns)
                tables.add(name)
        elif _INSERT.match(statement):
            found = True
            reason = _insert(connection, statement, only_inserting)
            if reason:
                yield InvalidRow(number, excerpt(statement.strip()), reason)
    connection.execute("COMMIT")
    if not found:
        raise ImportFileError(f"{path}: has no INSERT in it; is it what wrangler d1 export wrote?")


def _make_table(connection: sqlite3.Connection, name: str, columns: list[str]) -> None:
    named = ", ".join(map(_quoted, columns))
    connection.execute(f"CREATE TABLE {_quoted(name)} ({named})")


def _insert(connection: sqlite3.Connection, statement: str, authorizer: _Authorizer) -> str | None:
    connection.set_authorizer(authorizer)
    try:
        connection.execute(statement)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        said = " ".join(str(error).split())
        return f"holds more than values, or other columns ({said})"
    finally:
        connection.set_authorizer(None)
    return None


# Reading SQL text

_SPECIAL: Final = re.compile(r"['\"`\[;]|--|/\*")
_CLOSING: Final = {"'": "'", '"': '"', "`": "`", "[": "]", "--": "\n", "/*": "*/"}
_INSERT: Final = re.compile(r"\s*(?:insert|replace)\s+(?:or\s+\w+\s+)?into\b", re.IGNORECASE)
_IDENTIFIER: Final = r"(?:\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*'|[^\s(),;\"'`\[\]]+)"
_CREATE: Final = re.compile(
    rf"\s*create\s+table\s+(?:if\s+not\s+exists\s+)?(?:{_IDENTIFIER}\s*\.\s*)?({_IDENTIFIER})\s*\(", re.IGNORECASE
)
_FIRST_IDENTIFIER: Final = re.compile(rf"\s*({_IDENTIFIER})")
_IN_BRACKETS: Final = re.compile(rf"{_IDENTIFIER}|[(),]|\s+", re.DOTALL)
_NO_COLUMN: Final = frozenset({"constraint", "primary", "unique", "check", "foreign"})


def statements(path: Path, stream: TextIO, block_size: int = 1 << 20) -> Iterator[str]:
    """The statements of an SQL text, without comments; memory holds one of them.

    Raises:
        ImportFileError: a statement is longer than any is.
    """
    pieces: list[str] = []
    length = 0
    closing_mark: str | None = None
    commented = False
    while text := stream.read(block_size):
        # No block ends between the two characters of a mark.
        while text[-1] in "-/*" and (more := stream.read(1)):
            text += more
        start = 0
        while start < len(text):
            if closing_mark is not None:
                end = text.find(closing_mark, start)
                stop = len(text) if end < 0 else end + len(closing_mark)
                piece = "" if commented else text[start:stop]
                if end >= 0:
                    closing_mark = None
                    commented = False
            else:
                special = _SPECIAL.search(text, start)
                stop = special.end() if special else len(text)
                mark = special.group() if special else ""
                commented = mark in ("--", "/*")
                piece = text[start : stop - len(mark)] + (" " if commented else mark)
                closing_mark = _CLOSING.get(mark)
                if mark == ";":
                    yield "".join((*pieces, piece))
                    pieces.clear()
                    length, piece = 0, ""
            start = stop
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST_STATEMENT:
                raise ImportFileError(f"{path}: has a statement of more than {LONGEST_STATEMENT:,} characters")
    if "".join(pieces).strip():
        yield "".join(pieces)


def table_of(statement: str) -> tuple[str, list[str]] | None:
    """The name and the columns that a CREATE TABLE tells of; None for another statement."""
    created = _CREATE.match(statement)
    if created is None:
        return None
    columns: list[str] = []
    depth = 1
    begins = True
    for token in _IN_BRACKETS.finditer(statement, created.end()):
        text = token.group()
        if text == "(":
            depth += 1
        elif text == ")":
            depth -= 1
            if depth == 0:
                break
        elif text == "," and depth == 1:
            begins = True
        elif begins and not text.isspace():
            begins = False
            if text.lower() not in _NO_COLUMN:
                columns.append(_plain(text))
    return _plain(created.group(1)), columns


def _plain(identifier: str) -> str:
    mark = identifier[0]
    if mark == "[":
        return identifier[1:-1]
    return identifier[1:-1].replace(mark * 2, mark) if mark in "\"'`" else identifier


def _quoted(identifier: str) -> str:
    escaped = identifier.replace('"', '""')
    return f'"{escaped}"'
