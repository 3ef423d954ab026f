"""Palettes from an export of D1: an SQLite file, or the SQL dump that `wrangler d1 export` writes.

The files are not trusted. An SQLite file is opened read-only, and an authorizer allows nothing but reading. From a dump
only inserts of literal values are executed, into tables that this module creates in a temporary database.
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
from grabient_pipeline.imports.site import default_query, single_select, site_row

# D1 accepts no longer statement; a row has two megabytes at most.
MAX_STATEMENT_LENGTH: Final = 8 * 1024**2
# A normal query takes milliseconds; an endless one is interrupted.
MAX_QUERY_SECONDS: Final = 120.0

_NOT_SQLITE: Final = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_READING: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION})
# Functions with which a dump writes text that does not fit in a literal.
_DUMP_FUNCTIONS: Final = frozenset({"replace", "char", "unistr", "unistr_quote"})
_HARMFUL: Final = frozenset({"load_extension", "writefile", "edit", "fts3_tokenizer"})

Rows = Iterator[PaletteRow | InvalidRow]
_Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


def sqlite_rows(path: Path, query: str | None = None) -> Rows:
    """Yield the palettes in an SQLite file.

    Raises:
        SettingsError: the query is not a single SELECT.
        ImportFileError: the file is not SQLite, or lacks the tables of the query.
    """
    # Immutable: SQLite looks for no journal and takes no lock.
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            yield from _query_rows(connection, path, query)
    except sqlite3.Error as error:
        raise ImportFileError(f"{path}: is not a readable SQLite file ({error})") from error


def dump_rows(path: Path, query: str | None = None) -> Rows:
    """Yield the palettes in an SQL dump; an insert that fails is an invalid row with the number of its statement.

    Raises:
        SettingsError: the query is not a single SELECT.
        ImportFileError: the file is not an SQL dump, or lacks the tables of the query.
    """
    with (
        tempfile.TemporaryDirectory(prefix="grabient-d1-") as folder,
        closing(sqlite3.connect(Path(folder) / "scratch.sqlite", isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        try:
            with path.open(encoding="utf-8-sig", newline="\n") as stream:
                yield from _run_inserts(connection, path, stream)
        except UnicodeDecodeError as error:
            raise ImportFileError(f"{path}: is not UTF-8 text (byte {error.start}); export it again") from error
        except OSError as error:
            raise ImportFileError(f"{path}: cannot be read ({error.strerror or error})") from error
        yield from _query_rows(connection, path, query)


def _query_rows(connection: sqlite3.Connection, path: Path, query: str | None) -> Rows:
    select = single_select(default_query() if query is None else query)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    deadline = time.monotonic() + MAX_QUERY_SECONDS
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 100_000)
    connection.set_authorizer(_authorize_reading)
    try:
        cursor = connection.execute(f"SELECT * FROM (\n{select}\n)")  # noqa: S608
        columns = [name for name, *_ in cursor.description]
        for number, row in enumerate(cursor, start=1):
            yield site_row(number, dict(zip(columns, row, strict=True)))
    except sqlite3.Error as error:
        if error.sqlite_errorname in _NOT_SQLITE:
            raise
        raise ImportFileError(
            f"{path}: the query for palettes failed ({error}); is this an export of the site's database? "
            "--d1-query sets another query"
        ) from error


def _authorize_reading(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    harmless = action in _READING and second not in _HARMFUL
    return sqlite3.SQLITE_OK if harmless else sqlite3.SQLITE_DENY


def _run_inserts(connection: sqlite3.Connection, path: Path, stream: TextIO) -> Iterator[InvalidRow]:
    tables: set[str] = set()

    def authorize_inserting(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        allowed = (
            (action == sqlite3.SQLITE_INSERT and first in tables)
            or (action == sqlite3.SQLITE_FUNCTION and second in _DUMP_FUNCTIONS)
            or action == sqlite3.SQLITE_SELECT
        )
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    connection.execute("BEGIN")
    found = False
    for number, statement in enumerate(statements(path, stream), start=1):
        if table := parse_create_table(statement):
            name, columns = table
            if name not in tables and not name.lower().startswith("sqlite_") and columns:
                _create_table(connection, name, columns)
                tables.add(name)
        elif _INSERT.match(statement):
            found = True
            reason = _run_insert(connection, statement, authorize_inserting)
            if reason:
                yield InvalidRow(number, excerpt(statement.strip()), reason)
    connection.execute("COMMIT")
    if not found:
        raise ImportFileError(f"{path}: contains no INSERT; was it written by wrangler d1 export?")


def _create_table(connection: sqlite3.Connection, name: str, columns: list[str]) -> None:
    definitions = ", ".join(map(_quote_identifier, columns))
    connection.execute(f"CREATE TABLE {_quote_identifier(name)} ({definitions})")


def _run_insert(connection: sqlite3.Connection, statement: str, authorizer: _Authorizer) -> str | None:
    connection.set_authorizer(authorizer)
    try:
        connection.execute(statement)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        message = " ".join(str(error).split())
        return f"contains more than plain values, or other columns ({message})"
    finally:
        connection.set_authorizer(None)
    return None


# Parsing SQL text
_SPECIAL: Final = re.compile(r"['\"`\[;]|--|/\*")
_CLOSING: Final = {"'": "'", '"': '"', "`": "`", "[": "]", "--": "\n", "/*": "*/"}
_INSERT: Final = re.compile(r"\s*(?:insert|replace)\s+(?:or\s+\w+\s+)?into\b", re.IGNORECASE)
_IDENTIFIER: Final = r"(?:\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*'|[^\s(),;\"'`\[\]]+)"
_CREATE: Final = re.compile(
    rf"\s*create\s+table\s+(?:if\s+not\s+exists\s+)?(?:{_IDENTIFIER}\s*\.\s*)?({_IDENTIFIER})\s*\(", re.IGNORECASE
)
_DEFINITION_TOKEN: Final = re.compile(rf"{_IDENTIFIER}|[(),]|\s+", re.DOTALL)
_CONSTRAINT_WORDS: Final = frozenset({"constraint", "primary", "unique", "check", "foreign"})


def statements(path: Path, stream: TextIO, block_size: int = 1 << 20) -> Iterator[str]:
    """Yield the statements of an SQL text without comments, with one of them in memory at a time.

    Raises:
        ImportFileError: a statement is longer than `MAX_STATEMENT_LENGTH`.
    """
    pieces: list[str] = []
    length = 0
    closing_mark: str | None = None
    commented = False
    while text := stream.read(block_size):
        # Do not split a block between the two characters of a mark.
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
            if length > MAX_STATEMENT_LENGTH:
                raise ImportFileError(f"{path}: has a statement of more than {MAX_STATEMENT_LENGTH:,} characters")
    if "".join(pieces).strip():
        yield "".join(pieces)


def parse_create_table(statement: str) -> tuple[str, list[str]] | None:
    """Return the name and the columns of a CREATE TABLE, or None for another statement."""
    created = _CREATE.match(statement)
    if created is None:
        return None
    columns: list[str] = []
    depth = 1
    begins = True
    for token in _DEFINITION_TOKEN.finditer(statement, created.end()):
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
            if text.lower() not in _CONSTRAINT_WORDS:
                columns.append(_unquote_identifier(text))
    return _unquote_identifier(created.group(1)), columns


def _unquote_identifier(identifier: str) -> str:
    mark = identifier[0]
    if mark == "[":
        return identifier[1:-1]
    return identifier[1:-1].replace(mark * 2, mark) if mark in "\"'`" else identifier


def _quote_identifier(identifier: str) -> str:
    escaped = identifier.replace('"', '""')
    return f'"{escaped}"'
