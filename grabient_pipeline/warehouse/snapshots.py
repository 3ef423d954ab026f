"""Snapshots of a ledger: closed, verified copies in `data/backups/`, some of which are kept.

The name of a snapshot says of which ledger it is, how far that had come, and when it was taken. A file has such a name
only after it was read through, so a snapshot by its name was good when it was taken.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from grabient_pipeline.errors import WarehouseError
from grabient_pipeline.warehouse.copies import LedgerCopy, inspect_copy
from grabient_pipeline.warehouse.damage import WAY_BACK
from grabient_pipeline.warehouse.files import copy_file, sync_folder
from grabient_pipeline.warehouse.identity import Identity, is_older
from grabient_pipeline.warehouse.retention import Retention

# A loss of the working database and its published copy costs at most what was done in this time.
INTERVAL: Final = dt.timedelta(hours=1)

_NAME: Final = re.compile(
    r"grabient-(?P<ledger>[0-9a-z]+)-r(?P<revision>\d+)-(?P<moment>\d{8}T\d{12}Z)(?:-[a-z0-9_-]+)?\.duckdb"
)
_MOMENT: Final = "%Y%m%dT%H%M%S%fZ"
_UNKNOWN_LEDGER: Final = "unknown"

# What a killed process left behind is removed by a later one.
_STALE_PART_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot, as its name describes it."""

    path: Path
    ledger_id: str
    revision: int
    taken_at: dt.datetime


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """The snapshots of a folder: how many, their size in megabytes, and the newest; None if there is none."""

    count: int = 0
    megabytes: float = 0.0
    newest: str | None = None
    newest_at: dt.datetime | None = None
    newest_revision: int | None = None


def backup_dir(data_dir: Path) -> Path:
    """Where snapshots are kept."""
    return data_dir / "backups"


def parse_name(path: Path) -> Snapshot | None:
    """Read the name of a snapshot; None for another file."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    try:
        taken_at = dt.datetime.strptime(match["moment"], _MOMENT).replace(tzinfo=dt.UTC)
    except ValueError:
        return None
    return Snapshot(path, match["ledger"], int(match["revision"]), taken_at)


def list_snapshots(folder: Path) -> list[Snapshot]:
    """Return the snapshots of a folder, the one that has come furthest first. Reads names only."""
    found = [snapshot for path in folder.glob("grabient-*.duckdb") if (snapshot := parse_name(path))]
    return sorted(found, key=lambda each: (each.revision, each.taken_at), reverse=True)


def refuse_older_than_snapshots(own: Identity | None, path: Path, folder: Path) -> None:
    """Refuse to continue a ledger that one of its snapshots is ahead of, by their names.

    Raises:
        WarehouseError: the working database at `path` is older.
    """
    if own is None:
        return
    ahead = next((each for each in list_snapshots(folder) if each.ledger_id == own.ledger_id), None)
    if ahead is not None and ahead.revision > own.revision:
        raise WarehouseError(is_older(path, own.revision, ahead.path, ahead.revision))


def summarize(folder: Path, ledger_id: str | None = None) -> BackupSummary:
    """Summarize the snapshots of a folder, of one ledger or of all."""
    found = [each for each in list_snapshots(folder) if ledger_id in (None, each.ledger_id)]
    if not found:
        return BackupSummary()
    size = sum(each.path.stat().st_size for each in found)
    newest = found[0]
    return BackupSummary(len(found), round(size / 1e6, 1), str(newest.path), newest.taken_at, newest.revision)


def take_snapshot(write: Callable[[Path], object], folder: Path, *, reason: str = "") -> LedgerCopy:
    """Write a snapshot into a folder: copy, read through, then rename.

    Args:
        write: writes a complete, closed database to the path that it is given.
        reason: the end of the name, such as `before-update`.

    Raises:
        WarehouseError: it cannot be written, or what was written cannot be read in full; nothing is left of it.
    """
    moment = dt.datetime.now(dt.UTC)
    part = folder / f".taking-{moment:{_MOMENT}}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_stale_parts(folder)
        write(part)
        copy = inspect_copy(part)
        if copy is None or copy.damage is not None:
            damage = copy.damage if copy else "it is empty"
            raise WarehouseError(
                f"no backup was written to {folder}: what was copied cannot be read in full ({damage}); {WAY_BACK}"
            )
        ledger = copy.ledger_id or _UNKNOWN_LEDGER
        name = f"grabient-{ledger}-r{copy.revision:06}-{moment:{_MOMENT}}{'-' + reason if reason else ''}.duckdb"
        path = part.replace(folder / name)
        sync_folder(folder)
    except OSError as error:
        raise WarehouseError(f"cannot write a backup to {folder}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return replace(copy, path=path, written_at=moment)


def take_if_due(published: Path, folder: Path, retention: Retention, begun_at: dt.datetime) -> LedgerCopy | None:
    """Take a snapshot of the published copy unless there is one of the last hour; then remove those not to be kept.

    Needs no lock: a published copy never changes, it is only replaced. The step that published it has done its work,
    so a disk without space for a snapshot does not fail it; `grabient status` and an asset check show the age of the
    newest.

    Args:
        begun_at: when the ledger began; one that is younger than an hour has no snapshot yet.
    """
    now = dt.datetime.now(dt.UTC)
    if retention.is_off or now - begun_at < INTERVAL:
        return None
    try:
        moments = [each.taken_at for each in list_snapshots(folder)]
        if moments and now - max(moments) < INTERVAL:
            return None
        copy = take_snapshot(lambda part: copy_file(published, part), folder)
        prune(folder, retention, copy.ledger_id)
    except (WarehouseError, OSError):
        return None
    return copy


def prune(folder: Path, retention: Retention, ledger_id: str | None) -> list[Path]:
    """Remove the snapshots of a ledger that are not to be kept; return them. Those of other ledgers stay."""
    if retention.is_off:
        return []
    own = [each for each in list_snapshots(folder) if each.ledger_id == ledger_id]
    kept = retention.kept([each.taken_at for each in own])
    removed = [each.path for each in own if each.taken_at not in kept]
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def _remove_stale_parts(folder: Path) -> None:
    for part in folder.glob(".taking-*"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE_PART_SECONDS:
                part.unlink()
