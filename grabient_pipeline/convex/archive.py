"""A Convex export, zipped or unpacked: its tables as streams of lines.

Exports are untrusted input. Names in them never become paths, declared sizes are bounded, and lines longer than any
document are not read. Nothing is extracted to disk.
"""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from grabient_pipeline.errors import ImportFileError
from grabient_pipeline.formatting import printable

DOCUMENTS = "documents.jsonl"
# Contains tables of Convex's own components, whose names may equal those of other tables.
COMPONENTS = "_components"

MAX_ENTRIES = 10_000
MAX_BYTES = 64 * 1024**3
# Tags and their ids shrink to a tenth; a much higher ratio is a zip bomb.
MAX_COMPRESSION_RATIO = 250
_SMALL_ENTRY = 1024**2
# Bytes per read, which is also the most that is lost before a corrupt place.
_BUFFER = 64 * 1024
# A document has at most a mebibyte.
MAX_LINE_LENGTH = 8 * 1024**2

_READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


class BrokenTableError(Exception):
    """A table cannot be read to its end; the message says why."""


@dataclass(frozen=True, slots=True)
class ExportTable:
    """A table of an export. `size`: its uncompressed bytes."""

    name: str
    size: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Export:
    """An open export. `refused`: messages about entries that are not read. `fingerprint`: identifies the contents."""

    path: Path
    fingerprint: str
    tables: Mapping[str, ExportTable]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table, numbered from 1. If it is too long, `text` is None and `beginning` has the first bytes."""

    number: int
    text: bytes | None
    beginning: bytes = b""


@contextmanager
def open_export(path: Path) -> Generator[Export]:
    """Open what `npx convex export` wrote: a zip, the folder it was unpacked to, or a folder with one zip in it.

    Raises:
        ImportFileError: the path is not an export, cannot be read, or exceeds a bound.
    """
    try:
        if path.is_dir():
            yield from _open_folder(path)
        elif path.is_file():
            yield from _open_zip(path)
        else:
            raise ImportFileError(f"{path}: there is no such file or folder; check the path")
    except OSError as error:
        raise ImportFileError(f"{path}: cannot be read ({error.strerror or error})") from error


def lines(table: ExportTable, skip: int = 0) -> Iterator[Line]:
    """Yield the lines of a table after the first `skip`, without empty ones.

    Raises:
        BrokenTableError: the table cannot be read to its end. The lines before are complete.
    """
    number = 0
    try:
        with table.open() as raw, io.BufferedReader(_BoundedStream(raw), _BUFFER) as stream:
            while text := stream.readline(MAX_LINE_LENGTH + 1):
                number += 1
                if len(text) > MAX_LINE_LENGTH:
                    beginning = text[:1000]
                    while text and not text.endswith(b"\n"):
                        text = stream.readline(MAX_LINE_LENGTH)
                    if number > skip:
                        yield Line(number, None, beginning)
                elif number > skip and not text.isspace():
                    yield Line(number, text)
    except _READ_ERRORS as error:
        raise BrokenTableError(
            f"cannot be read beyond line {number:,} ({' '.join(str(error).split()) or type(error).__name__})"
        ) from error


class _BoundedStream(io.RawIOBase):
    """Reads at most `MAX_BYTES`, whatever sizes the export declares."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        piece = self._stream.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0:
            raise zipfile.BadZipFile(f"more than {MAX_BYTES:,} bytes")
        buffer[: len(piece)] = piece
        return len(piece)


def _open_folder(path: Path) -> Iterator[Export]:
    found = sorted(path.glob(f"*/{DOCUMENTS}"))
    if not found:
        zips = sorted(path.glob("*.zip"))
        if len(zips) == 1:
            yield from _open_zip(zips[0])
            return
        if zips:
            names = ", ".join(each.name for each in zips[:5])
            raise ImportFileError(f"{path}: contains {len(zips)} zips ({names}); give the path of one of them")
        raise ImportFileError(f"{path}: is not a Convex export: no folder in it has a {DOCUMENTS}")
    root = path.resolve()
    tables: dict[str, ExportTable] = {}
    refused: list[str] = []
    digest = hashlib.sha256()
    for file in found:
        name = file.parent.name
        if not file.resolve().is_relative_to(root):
            refused.append(f"{name}/{DOCUMENTS} is a link to a place outside the export; it was not read")
            continue
        facts = file.stat()
        digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
        tables[name] = ExportTable(name, facts.st_size, _file_opener(file))
    yield Export(path, digest.hexdigest()[:32], tables, tuple(refused))


def _file_opener(file: Path) -> Callable[[], BinaryIO]:
    return lambda: file.open("rb", buffering=0)  # pyright: ignore[reportReturnType]


def _open_zip(path: Path) -> Iterator[Export]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ImportFileError(
            f"{path}: is not a complete zip ({error}); the download may have been truncated: export it again. "
            "Nothing was imported"
        ) from error
    with archive:
        yield _read_directory(path, archive)


def _read_directory(path: Path, archive: zipfile.ZipFile) -> Export:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise ImportFileError(
            f"{path}: has {len(entries):,} entries; an export has a few per table. Nothing was imported"
        )
    tables: dict[str, ExportTable] = {}
    refused: list[str] = []
    digest = hashlib.sha256()
    roots: set[str] = set()
    total = 0
    for entry in entries:
        # Older tools on Windows write backslashes.
        path_in_zip = PurePosixPath(entry.filename.replace("\\", "/"))
        if path_in_zip.name != DOCUMENTS or len(path_in_zip.parts) < 2 or COMPONENTS in path_in_zip.parts:
            continue
        name = path_in_zip.parts[-2]
        reason = _refusal_reason(entry, path_in_zip)
        if reason is None and name in tables:
            reason = "is in the zip twice"
        if reason is not None:
            refused.append(f"{printable(entry.filename, 120, '�')} {reason}; it was not read")
            continue
        total += entry.file_size
        roots.add("/".join(path_in_zip.parts[:-2]))
        digest.update(f"{name}\0{entry.file_size}\0{entry.CRC}\0".encode())
        tables[name] = ExportTable(name, entry.file_size, _entry_opener(archive, entry))
    if total > MAX_BYTES:
        raise ImportFileError(f"{path}: would unpack to {total:,} bytes, too many for an export. Nothing was imported")
    if not tables and not refused:
        raise ImportFileError(f"{path}: is not a Convex export: no folder in it has a {DOCUMENTS}")
    if len(roots) > 1:
        raise ImportFileError(f"{path}: contains several exports ({', '.join(sorted(roots))}); zip only one of them")
    return Export(path, digest.hexdigest()[:32], tables, tuple(refused))


def _refusal_reason(entry: zipfile.ZipInfo, path: PurePosixPath) -> str | None:
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return "has a path outside the export"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "uses a compression method that exports do not use"
    if entry.file_size > _SMALL_ENTRY and entry.file_size > MAX_COMPRESSION_RATIO * max(entry.compress_size, 1):
        return f"would unpack to {entry.file_size / max(entry.compress_size, 1):,.0f} times its size"
    return None


def _entry_opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: archive.open(entry)  # pyright: ignore[reportReturnType]
