"""The working database, held by one process at a time and for a short time, and the copy that people open.

DuckDB lets one process write a file and refuses all others meanwhile. Every connection is therefore opened under one
file lock, so processes queue up instead of failing. The operating system frees the lock the moment its holder dies.

What a file holds, and whether it may be continued or replaced, is decided in `identity.py`, `copies.py` and
`damage.py`.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import duckdb

from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import WarehouseBusy, WarehouseError
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import damage
from grabient_pipeline.warehouse.attach import attach
from grabient_pipeline.warehouse.copies import read_through
from grabient_pipeline.warehouse.files import FileStamp, copy_file, file_stamp, has_content
from grabient_pipeline.warehouse.folder_lock import NAME as LOCK_NAME
from grabient_pipeline.warehouse.folder_lock import hold_folder, no_locks
from grabient_pipeline.warehouse.identity import identity_of, refuse_loss, refuse_older
from grabient_pipeline.warehouse.retention import Retention, read_retention
from grabient_pipeline.warehouse.schema import migrate, needs_migration
from grabient_pipeline.warehouse.snapshots import backup_dir, refuse_older_than_snapshots, take_if_due, take_snapshot

WAIT_SECONDS = 60.0

CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    # DuckDB 1.5 clients can open the published file.
    "storage_compatibility_version": "v1.5.0",
    # The tables are streamed, so a cache of most of the machine's memory would gain nothing. What does not fit goes to
    # files beside the database.
    "memory_limit": "1GB",
    # Row groups are written as they fill instead of waiting in memory for others.
    "write_buffer_row_group_count": 1,
    # No extension is fetched from the network unasked.
    "autoinstall_known_extensions": False,
}

# DuckDB's own is 122,880. A batch fills several groups of this size, and every core compresses and writes some as the
# rows arrive. It would fill part of one of DuckDB's, which goes through the log first and is then compressed by a
# single core together with its earlier rows.
ROW_GROUP_SIZE: Final = 4_096

_NAME: Final = "warehouse"

# What follows the migrations and needs more than SQL. It is called on the first connection, under its lock and outside
# a transaction; if it raises, the next connection calls it again.
AfterMigration = Callable[[duckdb.DuckDBPyConnection], object]

# How this process left each working database. One that looks different has been written to, or replaced.
_left: dict[Path, FileStamp] = {}


class Warehouse:
    """Access to the working database at `path`; `published` is the copy for readers."""

    def __init__(self, path: Path, published: Path, after_migration: AfterMigration | None = None) -> None:
        self.path = path
        self.published = published
        self.backups = backup_dir(published.parent)
        self._after_migration = after_migration
        self._migrated = False
        self._engine: duckdb.DuckDBPyConnection | None = None
        # When the ledger was last restored, as this object first saw it; False before that.
        self._restored_at: dt.datetime | bool | None = False

    @classmethod
    def at(cls, settings: Settings, after_migration: AfterMigration | None = None) -> Warehouse:
        """Return the warehouse of a data directory.

        Its folders are created if they are missing, but not where the working database is lost: every connection
        refuses then, and nothing is changed.
        """
        warehouse = cls(settings.warehouse, settings.published, after_migration)
        if not warehouse.is_lost:
            settings.create_directories()
        return warehouse

    @property
    def is_lost(self) -> bool:
        """Whether the working database is missing or empty although there is a copy of it."""
        try:
            self.refuse_loss()
        except WarehouseError:
            return True
        return False

    def refuse_loss(self) -> None:
        """Raise `WarehouseError` if the working database is missing or empty although there is a copy of it."""
        refuse_loss(self.path, self.published, self.backups)

    @contextmanager
    def connect(self, wait_seconds: float = WAIT_SECONDS) -> Generator[duckdb.DuckDBPyConnection]:
        """Open an exclusive connection, with the schema up to date. Keep it short: no network call inside.

        Raises:
            WarehouseBusy: other processes held the database for all of `wait_seconds`.
            WarehouseError: the file is missing, damaged, older than the published copy, of another ledger or of a newer
                version; the disk is full or read-only; the ledger was restored since this object opened it first.
        """
        deadline = time.monotonic() + wait_seconds
        with self._explained(), self._lock(wait_seconds), self._opened(deadline) as connection:
            yield connection

    @contextmanager
    def exclusive(self, wait_seconds: float = WAIT_SECONDS) -> Generator[None]:
        """Hold the database without opening it, to inspect or replace its file. Raises `WarehouseBusy`."""
        with self._explained(), self._lock(wait_seconds, lost=True):
            yield

    def copy_file(self, target: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        """Copy every byte of the working database, complete and closed, to a file.

        Raises:
            WarehouseBusy: another process holds the database.
            WarehouseError: it cannot be opened.
            OSError: the copy cannot be written.
        """
        with self._explained(), self._lock(wait_seconds):
            with self._opened(time.monotonic() + wait_seconds):
                pass
            copy_file(self.path, target, clone=False)

    def publish(self, wait_seconds: float = WAIT_SECONDS) -> bool:
        """Put a copy of the working database in place for readers; False if nothing has changed since the last one.

        The copy replaces the last one by an atomic rename, so a reader that has that one open goes on reading it. It is
        read through before, and a snapshot is made of it if the newest one is older than an hour.

        Raises:
            WarehouseBusy: another process holds the database.
            WarehouseError: what `connect` raises; the copy cannot be written, or what was copied cannot be read in
                full. The published copy is then as it was.
        """
        with self._explained(), self._lock(wait_seconds):
            deadline = time.monotonic() + wait_seconds
            changed = self._has_log() or not self._is_published()
            # Opening applies what a killed process left in the log, and migrates; closing leaves one complete file.
            with self._opened(deadline) as connection:
                kept = self._begin_publication(connection) if changed else None
            if kept is None:
                if self._is_published():
                    return False
                with self._opened(deadline) as connection:
                    kept = self._begin_publication(connection)
            self._replace_published()
        take_if_due(self.published, self.backups, *kept)
        return True

    def publish_if_free(self, wait_seconds: float) -> bool:
        """Publish unless another process holds the database for longer and an older copy is there; whether it did.

        Raises:
            WarehouseBusy: the database is held, and nothing has been published yet.
        """
        try:
            return self.publish(wait_seconds)
        except WarehouseBusy:
            if not self.published.exists():
                raise
            return False

    def seconds_behind(self) -> float:
        """Return for how long the published copy has been behind the working database; 0 if it is current.

        Raises:
            WarehouseError: the working database is missing or empty.
        """
        self.refuse_loss()
        if self._is_published():
            return 0.0
        return max(0.0, time.time() - self.path.stat().st_mtime)

    def copy_to(self, folder: Path, wait_seconds: float = WAIT_SECONDS) -> Warehouse:
        """Copy the working database into a folder of the caller's, for a dry run; nothing is published there."""
        copy = Warehouse(folder / "warehouse.duckdb", folder / "grabient.duckdb")
        with self._lock(wait_seconds):
            for path in (self.path, self.path.with_name(f"{self.path.name}.wal")):
                if path.exists():
                    shutil.copyfile(path, folder / path.name)
        return copy

    def _begin_publication(self, connection: duckdb.DuckDBPyConnection) -> tuple[Retention, dt.datetime]:
        """Move the revision on; return how many snapshots are kept, and when the ledger began."""
        # Another process may have published since this one compared them.
        self._refuse_older(connection)
        connection.execute("UPDATE config SET revision = revision + 1")
        ((begun_at,),) = connection.execute("SELECT min(applied_at) FROM schema_migrations").fetchall()
        return read_retention(connection), begun_at

    def _has_log(self) -> bool:
        return self.path.with_name(f"{self.path.name}.wal").exists()

    def _is_published(self) -> bool:
        published, working = file_stamp(self.published), file_stamp(self.path)
        return published is not None and working is not None and published[-1] == working[-1]

    def _replace_published(self) -> None:
        """Copy the closed working database, read the copy through, and rename it into place."""
        stamp = self.path.stat().st_mtime_ns
        copy = self.path.with_name("publishing.duckdb")
        try:
            copy_file(self.path, copy)
            self._read_through(copy)
            os.utime(copy, ns=(stamp, stamp))
            crash_point("publish.copied")
            copy.replace(self.published)
            crash_point("publish.published")
        except OSError as error:
            raise WarehouseError(
                f"cannot publish {self.published}: {error.strerror or error}; "
                "what was done is safe, and the next step publishes it"
            ) from error
        finally:
            with suppress(OSError):
                copy.unlink(missing_ok=True)

    def _read_through(self, copy: Path) -> None:
        # Blocks may be damaged in a file whose header is fine. Reading takes 0.03 s for 23 MB and 0.2 s for 316 MB,
        # less than copying and syncing it, so nothing is published unread (docs/performance.md).
        connection = self._running_engine().cursor()
        try:
            attach(connection, copy, "published", "(READ_ONLY)")
            connection.execute("USE published")
            read_through(connection)
        except duckdb.Error as error:
            if not damage.is_damage(error):
                raise
            raise WarehouseError(
                f"{self.path} is damaged ({damage.first_line(error)}), so {self.published} was kept as it was; "
                f"{damage.WAY_BACK}"
            ) from error
        finally:
            self._release(connection, "published")

    @contextmanager
    def _opened(self, deadline: float) -> Generator[duckdb.DuckDBPyConnection]:
        """Open a connection under the lock, with the schema up to date."""
        self.refuse_loss()
        found = file_stamp(self.path)
        connection = self._open(deadline)
        try:
            if found != _left.get(self.path):
                self._check_file(connection, found)
            if not self._migrated:
                connection = self._migrate(connection, deadline)
            self._refuse_restored(connection)
        except BaseException:
            self._detach(connection)
            raise
        try:
            yield connection
        finally:
            self._detach(connection)
            if (left := file_stamp(self.path)) is not None:
                _left[self.path] = left

    def _check_file(self, connection: duckdb.DuckDBPyConnection, found: FileStamp | None) -> None:
        """Check a file that this process did not leave as it is: another one wrote to it, or replaced it."""
        if found is None:
            return
        self._refuse_older(connection)
        if has_content(self.published) and not self._is_published():
            # What is about to be continued, and perhaps paid for, is read through as what is published was.
            read_through(connection)

    def _refuse_older(self, connection: duckdb.DuckDBPyConnection) -> None:
        own = identity_of(connection, _NAME)
        refuse_older(self._running_engine(), own, self.path, self.published)
        refuse_older_than_snapshots(own, self.path, self.backups)

    def _refuse_restored(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Refuse to go on with a step that began before another process restored the ledger."""
        ((restored_at,),) = connection.execute("SELECT restored_at FROM config").fetchall()
        if self._restored_at is False:
            self._restored_at = restored_at
        elif self._restored_at != restored_at:
            raise WarehouseError(
                f"{self.path} was restored from a copy while this command was running; nothing was changed. "
                "Run it again"
            )

    def _migrate(self, connection: duckdb.DuckDBPyConnection, deadline: float) -> duckdb.DuckDBPyConnection:
        """Bring the schema up to date, with a snapshot from before; return the connection to go on with."""
        if needs_migration(connection):
            # Closed, so that the snapshot is one complete file.
            self._detach(connection)
            take_snapshot(lambda part: copy_file(self.path, part), self.backups, reason="before-update")
            connection = self._open(deadline)
        migrate(connection)
        if self._after_migration is not None:
            self._after_migration(connection)
        self._migrated = True
        return connection

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Say in one line what an error of DuckDB means for the file or its disk."""
        try:
            yield
        except duckdb.Error as error:
            explained = damage.explain_database_error(error, self.path)
            if explained is None:
                raise
            raise WarehouseError(explained) from error

    @contextmanager
    def _lock(self, wait_seconds: float, *, lost: bool = False) -> Generator[None]:
        if not lost:
            # Before the lock's file is created.
            self.refuse_loss()
        try:
            with hold_folder(self.path.with_name(LOCK_NAME), wait_seconds):
                yield
        except TimeoutError:
            raise WarehouseBusy(
                f"another process has held {self.path} for {wait_seconds:.0f} s; "
                "wait until it is done (grabient status works meanwhile), then try again"
            ) from None

    def _open(self, deadline: float) -> duckdb.DuckDBPyConnection:
        while True:
            try:
                return self._attached()
            except duckdb.IOException as error:
                # A person has opened the working file: wait, then report who. Not just "lock", which is also in "block"
                # and may be in the path.
                if "could not set lock" not in str(error).lower():
                    raise self._cannot_open(error) from error
                reason = damage.first_line(error)
                # No process has the number 0: the lock was not refused because of another one.
                if reason.endswith("PID 0.") or "PID 0. " in reason or "not supported" in reason:
                    raise WarehouseError(no_locks(self.path.parent, reason)) from error
                if time.monotonic() > deadline:
                    raise WarehouseBusy(
                        f"{self.path} is open in another program ({reason}); "
                        f"close it there: {self.published} is the file to look into"
                    ) from error
                time.sleep(0.1)
            except duckdb.Error as error:
                raise self._cannot_open(error) from error

    def _cannot_open(self, error: duckdb.Error) -> WarehouseError:
        copies = has_content(self.published) or any(self.backups.glob("*.duckdb"))
        explained = None if damage.is_damage(error) else damage.explain_database_error(error, self.path)
        way_back = f"; {damage.WAY_BACK}" if copies else ""
        return WarehouseError(explained or f"cannot open {self.path}: {damage.first_line(error)}{way_back}")

    def _running_engine(self) -> duckdb.DuckDBPyConnection:
        # Starting an engine takes four times as long as attaching a file, so one engine serves every connection. And
        # only an attached file can be given a row group size.
        if self._engine is None:
            self._engine = duckdb.connect(config={**CONFIG, "temp_directory": f"{self.path}.tmp"})
        return self._engine

    def _attached(self) -> duckdb.DuckDBPyConnection:
        connection = self._running_engine().cursor()
        try:
            connection.execute("SET TimeZone = 'UTC'")
            attach(connection, self.path, _NAME, f"(ROW_GROUP_SIZE {ROW_GROUP_SIZE})")
            connection.execute(f"USE {_NAME}")
        except BaseException:
            self._detach(connection)
            raise
        return connection

    def _detach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Release the file, complete: an unfinished transaction is rolled back, and the log is applied."""
        self._release(connection, _NAME)

    def _release(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        # Closing the connection ends its transaction, and nothing else holds the file.
        connection.close()
        assert self._engine is not None
        try:
            self._engine.execute(f"DETACH DATABASE IF EXISTS {name}")
        except duckdb.Error:
            # The log cannot be applied, for example on a full disk. Closing the engine releases everything; the log
            # stays beside the file, and the next connection applies it.
            self._engine.close()
            self._engine = None
