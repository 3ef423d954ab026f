"""A Convex export, zipped or unpacked: its tables as streams of lines.

An export comes from somewhere, so nothing of it is trusted: no name in it becomes a path, no size in it is believed
beyond a bound, no line is read that is longer than a document can be. Nothing is unpacked to disk.
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
# Tables of Convex's own components stand below this; their names may be those of our tables.
COMPONENTS = "_components"

MOST_ENTRIES = 10_000
MOST_BYTES = 64 * 1024**3
# Tags and their ids shrink to a tenth; what shrinks to less than this was made to fill a disk.
MOST_RATIO = 250
_SMALL_ENTRY = 1024**2
# What is read at a time, and lost at most before a break.
_BUFFER = 64 * 1024
# A document has a mebibyte at most.
LONGEST_LINE = 8 * 1024**2

_NOT_WHOLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


class BrokenTableError(Exception):
    """A table cannot be read any further; the message says why."""


@dataclass(frozen=True, slots=True)
class ExportTable:
    """A table of an export. `size`: its bytes, unpacked."""

    name: str
    size: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Export:
    """An open export. `refused`: what in it is not read, and why; `fingerprint`: the same for the same contents."""

    path: Path
    fingerprint: str
    tables: Mapping[str, ExportTable]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table, from 1. `text` is None for one that is too long, of which `beginning` has some."""

    number: int
    text: bytes | None
    beginning: bytes = b""


@contextmanager
def open_export(path: Path) -> Generator[Export]:
    """Open a zip, a folder that it was unpacked to, or a folder with one zip in it, as `npx convex export` makes.

    Raises:
        ImportFileError: there is no export there, it cannot be read, or it is made to do harm.
    """
    try:
        if path.is_dir():
            yield from _opened_folder(path)
        elif path.is_file():
            yield from _opened_zip(path)
        else:
            raise ImportFileError(f"{path}: there is no such file or folder; check the path")
    except OSError as error:
        raise ImportFileError(f"{path}: cannot be read ({error.strerror or error})") from error


def lines(table: ExportTable, skip: int = 0) -> Iterator[Line]:
    """The lines of a table but for the first so many, one at a time; empty ones are left out.

    Raises:
        BrokenTableError: the table cannot be read to its end. What came before is whole.
    """
    number = 0
    try:
        with table.open() as raw, io.BufferedReader(_Bounded(raw), _BUFFER) as stream:
            while text := stream.readline(LONGEST_LINE + 1):
                number += 1
                if len(text) > LONGEST_LINE:
                    beginning = text[:1000]
                    while text and not text.endswith(b"\n"):
                        text = stream.readline(LONGEST_LINE)
                    if number > skip:
                        yield Line(number, None, beginning)
                elif number > skip and not text.isspace():
                    yield Line(number, text)
    except _NOT_WHOLE as error:
        raise BrokenTableError(
            f"cannot be read beyond line {number:,} ({' '.join(str(error).split()) or type(error).__name__})"
        ) from error


class _Bounded(io.RawIOBase):
    """Reads no more than an export may hold, whatever its sizes say."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        piece = self._stream.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0:
            raise zipfile.BadZipFile(f"more than {MOST_BYTES:,} bytes")
        buffer[: len(piece)] = piece
        return len(piece)


def _opened_folder(path: Path) -> Iterator[Export]:
    found = sorted(path.glob(f"*/{DOCUMENTS}"))
    if not found:
        zips = sorted(path.glob("*.zip"))
        if len(zips) == 1:
            yield from _opened_zip(zips[0])
            return
        if zips:
            names = ", ".join(each.name for each in zips[:5])
            raise ImportFileError(f"{path}: there are {len(zips)} zips in it ({names}); name the one that you mean")
        raise ImportFileError(f"{path}: is no Convex export: no folder in it has a {DOCUMENTS}")
    root = path.resolve()
    tables: dict[str, ExportTable] = {}
    refused: list[str] = []
    digest = hashlib.sha256()
    for file in found:
        name = file.parent.name
        if not file.resolve().is_relative_to(root):
            refused.append(f"{name}/{DOCUMENTS} is a link that leads out of the export; it was not read")
            continue
        facts = file.stat()
        digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
        tables[name] = ExportTable(name, facts.st_size, _opener(file))
    yield Export(path, digest.hexdigest()[:32], tables, tuple(refused))


def _opener(file: Path) -> Callable[[], BinaryIO]:
    return lambda: file.open("rb", buffering=0)  # pyright: ignore[reportReturnType]


def _opened_zip(path: Path) -> Iterator[Export]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ImportFileError(
            f"{path}: is not a whole zip ({error}); it may have been cut off on its way: export it again. "
            "Nothing was imported"
        ) from error
    with archive:
        yield _read_directory(path, archive)


def _read_directory(path: Path, archive: zipfile.ZipFile) -> Export:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise ImportFileError(
            f"{path}: has {len(entries):,} entries; an export has a few for each table. Nothing was imported"
        )
    tables: dict[str, ExportTable] = {}
    refused: list[str] = []
    digest = hashlib.sha256()
    roots: set[str] = set()
    total = 0
    for entry in entries:
        # Older tools on Windows write backslashes.
        place = PurePosixPath(entry.filename.replace("\\", "/"))
        if place.name != DOCUMENTS or len(place.parts) < 2 or COMPONENTS in place.parts:
            continue
        name = place.parts[-2]
        reason = _why_refused(entry, place)
        if reason is None and name in tables:
            reason = "stands in the zip twice"
        if reason is not None:
            refused.append(f"{printable(entry.filename, 120, '�')} {reason}; it was not read")
            continue
        total += entry.file_size
        roots.add("/".join(place.parts[:-2]))
        digest.update(f"{name}\0{entry.file_size}\0{entry.CRC}\0".encode())
        tables[name] = ExportTable(name, entry.file_size, _entry_opener(archive, entry))
    if total > MOST_BYTES:
        raise ImportFileError(f"{path}: would unpack to {total:,} bytes; that is no export. Nothing was imported")
    if not tables and not refused:
        raise ImportFileError(f"{path}: is no Convex export: no folder in it has a {DOCUMENTS}")
    if len(roots) > 1:
        raise ImportFileError(f"{path}: holds several exports ({', '.join(sorted(roots))}); zip the one that you mean")
    return Export(path, digest.hexdigest()[:32], tables, tuple(refused))


def _why_refused(entry: zipfile.ZipInfo, place: PurePosixPath) -> str | None:
    if place.is_absolute() or ".." in place.parts or ":" in place.parts[0]:
        return "has a path that climbs out of the export"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a way that an export is not"
    if entry.file_size > _SMALL_ENTRY and entry.file_size > MOST_RATIO * max(entry.compress_size, 1):
        return f"would unpack to {entry.file_size / max(entry.compress_size, 1):,.0f} times its size"
    return None


def _entry_opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: archive.open(entry)  # pyright: ignore[reportReturnType]
