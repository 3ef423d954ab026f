"""The working database, held by one process at a time and for a short time, and the copy that people open.

DuckDB lets one process write a file and refuses all others meanwhile. Every connection is therefore opened under one
file lock, so processes queue up instead of failing. The operating system frees the lock the moment its holder dies.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import filelock
import polars as pl

from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import WarehouseBusy, WarehouseError
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse.schema import migrate

WAIT_SECONDS = 60.0

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
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
_ROW_GROUP_SIZE = 4_096

# What follows the migrations and needs more than SQL. It is called on the first connection, under its lock and outside
# a transaction; if it raises, the next connection calls it again.
AfterMigration = Callable[[duckdb.DuckDBPyConnection], object]


class Warehouse:
    """Access to the working database at `path`; `published` is the copy for readers."""

    def __init__(self, path: Path, published: Path, after_migration: AfterMigration | None = None) -> None:
        self.path = path
        self.published = published
        self._after_migration = after_migration
        self._migrated = False
        self._engine: duckdb.DuckDBPyConnection | None = None

    @classmethod
    def at(cls, settings: Settings, after_migration: AfterMigration | None = None) -> Warehouse:
        """Return the warehouse of a data directory, whose folders are created if they are missing."""
        settings.create_directories()
        return cls(settings.warehouse, settings.published, after_migration)

    @contextmanager
    def connect(self, wait_seconds: float = WAIT_SECONDS) -> Generator[duckdb.DuckDBPyConnection]:
        """Open an exclusive connection, with the schema up to date. Keep it short: no network call inside.

        Raises:
            WarehouseBusy: other processes held the database for all of `wait_seconds`.
            WarehouseError: the file cannot be opened, or belongs to a newer version.
        """
        deadline = time.monotonic() + wait_seconds
        with self._lock(wait_seconds), self._opened(deadline) as connection:
            yield connection

    def publish(self, wait_seconds: float = WAIT_SECONDS) -> bool:
        """Put a copy of the working database in place for readers; False if nothing has changed since the last one.

        The copy replaces the last one by an atomic rename, so a reader that has that one open goes on reading it.
        """
        with self._lock(wait_seconds):
            # Opening applies what a killed process left in the write-ahead log; closing leaves one complete file.
            with self._opened(time.monotonic() + wait_seconds):
                pass
            stamp = self.path.stat().st_mtime_ns
            if self.published.exists() and self.published.stat().st_mtime_ns == stamp:
                return False
            copy = self.path.with_name("publishing.duckdb")
            try:
                shutil.copyfile(self.path, copy)
                with copy.open("rb+") as file:
                    os.fsync(file.fileno())
                os.utime(copy, ns=(stamp, stamp))
                crash_point("publish.copied")
                copy.replace(self.published)
                crash_point("publish.published")
            except OSError as error:
                copy.unlink(missing_ok=True)
                raise WarehouseError(
                    f"cannot publish {self.published}: {error.strerror or error}; "
                    "what was done is safe, and the next step publishes it"
                ) from error
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
        """Return for how long the published copy has been behind the working database; 0 if it is current."""
        written = self.path.stat()
        if self.published.exists() and self.published.stat().st_mtime_ns == written.st_mtime_ns:
            return 0.0
        return max(0.0, time.time() - written.st_mtime)

    def copy_to(self, folder: Path, wait_seconds: float = WAIT_SECONDS) -> Warehouse:
        """Copy the working database into a folder of the caller's, for a dry run; nothing is published there."""
        copy = Warehouse(folder / "warehouse.duckdb", folder / "grabient.duckdb")
        with self._lock(wait_seconds):
            for path in (self.path, self.path.with_name(f"{self.path.name}.wal")):
                if path.exists():
                    shutil.copyfile(path, folder / path.name)
        return copy

    @contextmanager
    def _opened(self, deadline: float) -> Generator[duckdb.DuckDBPyConnection]:
        """Open a connection under the lock, with the schema up to date."""
        connection = self._open(deadline)
        try:
            if not self._migrated:
                migrate(connection)
                if self._after_migration is not None:
                    self._after_migration(connection)
                self._migrated = True
            yield connection
        finally:
            self._detach(connection)

    @contextmanager
    def _lock(self, wait_seconds: float) -> Generator[None]:
        lock = filelock.FileLock(self.path.with_name("warehouse.lock"), timeout=wait_seconds)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise WarehouseBusy(
                f"another process has held {self.path} for {wait_seconds:.0f} s; "
                "wait until it is done (grabient status works meanwhile), then try again"
            ) from None
        except OSError as error:
            raise WarehouseError(
                f"cannot write to {self.path.parent}: {error.strerror or error}; "
                "make it writable or set GRABIENT_DATA_DIR to another folder"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _open(self, deadline: float) -> duckdb.DuckDBPyConnection:
        while True:
            try:
                return self._attached()
            except duckdb.IOException as error:
                # A person has opened the working file: wait, then report who. Not just "lock", which is also in "block"
                # and may be in the path.
                if "could not set lock" not in str(error).lower():
                    raise WarehouseError(f"cannot open {self.path}: {_first_line(error)}") from error
                if time.monotonic() > deadline:
                    raise WarehouseBusy(
                        f"{self.path} is open in another program ({_first_line(error)}); "
                        f"close it there: {self.published} is the file to look into"
                    ) from error
                time.sleep(0.1)
            except duckdb.Error as error:
                raise WarehouseError(f"cannot open {self.path}: {_first_line(error)}") from error

    def _attached(self) -> duckdb.DuckDBPyConnection:
        # Starting an engine takes four times as long as attaching a file, so one engine serves every connection. And
        # only an attached file can be given a row group size.
        if self._engine is None:
            self._engine = duckdb.connect(config={**_CONFIG, "temp_directory": f"{self.path}.tmp"})
        connection = self._engine.cursor()
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"ATTACH {_quoted(self.path)} AS warehouse (ROW_GROUP_SIZE {_ROW_GROUP_SIZE})")
            connection.execute("USE warehouse")
        except BaseException:
            self._detach(connection)
            raise
        return connection

    def _detach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Release the file, complete: an unfinished transaction is rolled back, and the log is applied."""
        # Closing the connection ends its transaction, and nothing else holds the file.
        connection.close()
        assert self._engine is not None
        try:
            self._engine.execute("DETACH DATABASE IF EXISTS warehouse")
        except duckdb.Error:
            # The log cannot be applied, for example on a full disk. Closing the engine releases everything; the log
            # stays beside the file, and the next connection applies it.
            self._engine.close()
            self._engine = None


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> Generator[None]:
    """Show a frame as a table of this name while the block runs, and remove it however the block ends."""
    connection.register(name, frame)
    try:
        yield
    finally:
        # A statement that failed may have left its transaction unusable: the table then goes with the connection.
        with suppress(duckdb.Error):
            connection.unregister(name)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """Commit everything in the block, or nothing if it fails."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
