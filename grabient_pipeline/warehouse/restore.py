"""Backups by hand, and putting a copy of the ledger back as the working database."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from grabient_pipeline.errors import WarehouseError
from grabient_pipeline.warehouse.attach import attach, read_only
from grabient_pipeline.warehouse.copies import LedgerCopy, inspect_copy
from grabient_pipeline.warehouse.damage import explain_database_error, first_line
from grabient_pipeline.warehouse.files import sync_file, sync_folder
from grabient_pipeline.warehouse.identity import Identity, identity_of
from grabient_pipeline.warehouse.schema import migrate
from grabient_pipeline.warehouse.snapshots import take_snapshot
from grabient_pipeline.warehouse.sql_files import sql
from grabient_pipeline.warehouse.warehouse import CONFIG, ROW_GROUP_SIZE, WAIT_SECONDS, Warehouse

_MOMENT: Final = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True, slots=True)
class KnownCopies:
    """All files of a data directory that hold a ledger, as far as they can be read.

    `working`: the working database; None if it is missing or empty. `others`: the published copy and the snapshots, and
    where a person named one, that one; the one that has come furthest first.
    """

    working: LedgerCopy | None
    others: tuple[LedgerCopy, ...]

    @property
    def all(self) -> tuple[LedgerCopy, ...]:
        """The working database too."""
        return (*([self.working] if self.working else []), *self.others)

    def ahead_of(self, chosen: LedgerCopy) -> list[LedgerCopy]:
        """Return the files of the same ledger that have come further, or hold more, than a copy."""
        return [
            each
            for each in self.all
            if each.path != chosen.path
            and each.ledger_id == chosen.ledger_id
            and (each.revision > chosen.revision or (each.answers or 0) > (chosen.answers or 0))
        ]


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore put back, and where what was there before is kept."""

    copy: LedgerCopy
    kept: tuple[Path, ...]
    revision: int


def back_up(warehouse: Warehouse, folder: Path, wait_seconds: float = WAIT_SECONDS) -> LedgerCopy:
    """Write a snapshot of the working database into a folder; every byte is copied, and read through once.

    Raises:
        WarehouseBusy: another process holds the database.
        WarehouseError: it cannot be written, or what was written cannot be read in full; nothing is left of it.
    """
    return take_snapshot(lambda part: warehouse.copy_file(part, wait_seconds), folder)


def find_copies(warehouse: Warehouse, place: Path | None = None, wait_seconds: float = WAIT_SECONDS) -> KnownCopies:
    """Read every copy through: the working database, the published copy and the snapshots.

    Args:
        place: a file or a folder that a person named.
    """
    # Named explicitly, the working database may be restored from itself: its indexes are built again.
    paths = [warehouse.published, *sorted(warehouse.backups.glob("*.duckdb"))]
    if place is not None:
        paths += sorted(place.glob("*.duckdb")) if place.is_dir() else [place]
    others = [path for path in dict.fromkeys(path.absolute() for path in paths) if path != warehouse.path.absolute()]
    with warehouse.exclusive(wait_seconds):
        working = inspect_copy(warehouse.path.absolute())
    # The others never change, so no step has to wait for this.
    found = [copy for path in others if (copy := inspect_copy(path))]
    return KnownCopies(working, tuple(sorted(found, key=_progress, reverse=True)))


def choose_copy(known: KnownCopies, place: Path | None = None) -> LedgerCopy:
    """Choose the good copy that has come furthest, of all or of those at a place.

    Raises:
        WarehouseError: there is none, or they belong to different ledgers and no file was named.
    """
    candidates = known.others if place is None else [copy for copy in known.all if _is_at(copy.path, place)]
    good = [copy for copy in candidates if copy.damage is None]
    if not good:
        where = f" at {place}" if place else ""
        reasons = "; ".join(f"{copy.path}: {copy.damage}" for copy in candidates)
        raise WarehouseError(
            f"there is no copy of the ledger{where} that can be read in full" + (f" ({reasons})" if reasons else "")
        )
    ledgers = sorted({copy.ledger_id for copy in good if copy.ledger_id})
    if len(ledgers) > 1:
        raise WarehouseError(
            f"there are copies of {len(ledgers)} ledgers ({', '.join(ledgers)}); name the file to restore: "
            + ", ".join(str(copy.path) for copy in good)
        )
    return good[0]


def restore(
    warehouse: Warehouse, copy: LedgerCopy, known: KnownCopies, wait_seconds: float = WAIT_SECONDS
) -> RestoreReport:
    """Put a copy back as the working database, and publish it.

    The restored ledger begins above the revision of every copy, so that none of them replaces it. What would be paid
    for without a person is paused. What was there before is kept, with the time in its name.

    Raises:
        WarehouseBusy: another process holds the database.
        WarehouseError: the copy is of a newer version, or cannot be written.
    """
    path = warehouse.path
    part = path.with_name(f"{path.name}.restoring")
    with warehouse.exclusive(wait_seconds):
        try:
            _remove(part)
            # A step may have published since the copies were read.
            revisions = [copy.revision, *(each.revision for each in known.all), _read_revision(warehouse.published)]
            revision = 1 + max(revisions)
            restored = _rebuild(copy, part, revision, _ledger_id(copy, known))
            sync_file(part)
            moment = f"{dt.datetime.now(dt.UTC):{_MOMENT}}"
            kept = [_set_aside(path, moment)]
            if _is_in_the_way(warehouse.published, known, restored):
                kept.append(_set_aside(warehouse.published, moment))
            part.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise WarehouseError(
                f"cannot restore {path}: {error.strerror or error}; the copies are as they were"
            ) from error
        except duckdb.Error as error:
            if explain_database_error(error) is not None:
                raise
            raise WarehouseError(f"cannot restore {copy.path}: {first_line(error)}; nothing was changed") from error
        finally:
            with suppress(OSError):
                _remove(part)
    warehouse.publish(wait_seconds)
    return RestoreReport(copy, tuple(each for each in kept if each), revision)


def republish(warehouse: Warehouse, known: KnownCopies, wait_seconds: float = WAIT_SECONDS) -> Path | None:
    """Publish a good working database again if its published copy cannot be read; return where that is kept."""
    assert known.working is not None
    kept = None
    with warehouse.exclusive(wait_seconds):
        if _is_in_the_way(warehouse.published, known, known.working.identity):
            kept = _set_aside(warehouse.published, f"{dt.datetime.now(dt.UTC):{_MOMENT}}")
    warehouse.publish(wait_seconds)
    return kept


def _ledger_id(copy: LedgerCopy, known: KnownCopies) -> str | None:
    """Return the id of a copy; a copy from before there were ids has that of the other copies."""
    return copy.ledger_id or next((each.ledger_id for each in known.all if each.ledger_id), None)


def _rebuild(copy: LedgerCopy, part: Path, revision: int, ledger_id: str | None) -> Identity | None:
    """Write the tables of a copy into a new file, bring it up to date, and mark it as restored.

    The indexes are built again: a damaged block of an index is not found by reading the tables. A million answers take
    4 s.
    """
    reason = f"the ledger was restored from {copy.path.name} and may lack what was sent after that was written"
    with duckdb.connect(config={**CONFIG, "temp_directory": f"{part}.tmp"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        attach(connection, copy.path, "source", "(READ_ONLY)")
        attach(connection, part, "restored", f"(ROW_GROUP_SIZE {ROW_GROUP_SIZE})")
        connection.execute("COPY FROM DATABASE source TO restored")
        connection.execute("USE restored")
        migrate(connection)
        connection.execute(
            sql(__package__, "mark_restored"), {"ledger_id": ledger_id, "revision": revision, "reason": reason}
        )
        identity = identity_of(connection, "restored")
        connection.execute("USE memory")
        connection.execute("DETACH DATABASE restored")
    return identity


def _read_revision(path: Path) -> int:
    try:
        with read_only(path) as connection:
            identity = identity_of(connection, "ledger")
    except duckdb.Error:
        return 0
    return identity.revision if identity else 0


def _set_aside(path: Path, moment: str) -> Path | None:
    aside = path.with_name(f"{path.stem}-{moment}{path.suffix}")
    kept = None
    # The database first: should the process be killed in between, it is missing, and nothing goes on without its log.
    for suffix in ("", ".wal"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.replace(aside.with_name(aside.name + suffix))
            kept = aside
    return kept


def _is_in_the_way(published: Path, known: KnownCopies, identity: Identity | None) -> bool:
    """Whether a published copy is of another ledger or cannot be read; a good one is replaced by publishing."""
    found = next((each for each in known.others if each.path == published.absolute()), None)
    if found is None:
        return False
    other = found.identity is not None and identity is not None and found.ledger_id != identity.ledger_id
    return found.damage is not None or other


def _remove(part: Path) -> None:
    for path in (part, part.with_name(f"{part.name}.wal")):
        path.unlink(missing_ok=True)


def _progress(copy: LedgerCopy) -> tuple[int, dt.datetime]:
    return copy.revision, copy.written_at


def _is_at(path: Path, place: Path) -> bool:
    return path == place.absolute() or path.parent == place.absolute()
