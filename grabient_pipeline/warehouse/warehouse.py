"""The working database: one process at a time, for a short time; and the copy of it that people open.

DuckDB lets one process write a file and refuses everybody else meanwhile. So every connection is taken under one file
lock, and processes queue up instead of failing. The lock is the operating system's: it is free the moment its holder
dies.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Generator
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
    # So that people's DuckDB 1.5 clients can open the published file.
    "storage_compatibility_version": "v1.5.0",
    # The tables stream through; a cache of most of the machine's memory would serve nobody. What does not fit in
    # goes to files beside the database.
    "memory_limit": "1GB",
    # Row groups are written as they fill, and do not wait in memory for others.
    "write_buffer_row_group_count": 1,
    # Nothing is fetched from the network behind a person's back.
    "autoinstall_known_extensions": False,
}

# An eighth of DuckDB's own. A batch fills several of these, which every core compresses and writes as its rows come in.
# Of DuckDB's it fills a part of one, which goes through the log first and is then compressed by a single core, together
# with whatever was in it before.
_ROW_GROUP_SIZE = 4_096


class Warehouse:
    """The door to the working database at `path`; `published` is the copy for everybody else."""

    def __init__(self, path: Path, published: Path) -> None:
        self.path = path
        self.published = published
        self._migrated = False
        self._engine: duckdb.DuckDBPyConnection | None = None

    @classmethod
    def at(cls, settings: Settings) -> Warehouse:
        """The warehouse below the data directory, whose folders are made if they are missing."""
        settings.create_directories()
        return cls(settings.warehouse, settings.published)

    @contextmanager
    def connect(self, wait_seconds: float = WAIT_SECONDS) -> Generator[duckdb.DuckDBPyConnection]:
        """A connection that nobody else has, with the schema up to date. Keep it short: no network inside.

        Raises:
            WarehouseBusy: others held the database for all of `wait_seconds`.
            WarehouseError: the file cannot be opened, or belongs to a newer version.
        """
        deadline = time.monotonic() + wait_seconds
        with self._lock(wait_seconds), self._opened(deadline) as connection:
            yield connection

    def publish(self, wait_seconds: float = WAIT_SECONDS) -> bool:
        """Put a copy of the working database in place for people to read; False if nothing has changed since.

        The copy takes the place of the last one by an atomic rename, so whoever has that one open goes on reading it.
        """
        with self._lock(wait_seconds):
            # Opening folds in what a killed process left in the write-ahead log; closing leaves one whole file.
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
        """For how long the published copy has not had what is in the working database; 0 if it has."""
        written = self.path.stat()
        if self.published.exists() and self.published.stat().st_mtime_ns == written.st_mtime_ns:
            return 0.0
        return max(0.0, time.time() - written.st_mtime)

    def copy_to(self, folder: Path, wait_seconds: float = WAIT_SECONDS) -> Warehouse:
        """A copy in a folder of the caller's, to try something on; this one and what is published stay as they are."""
        copy = Warehouse(folder / "warehouse.duckdb", folder / "grabient.duckdb")
        with self._lock(wait_seconds):
            for path in (self.path, self.path.with_name(f"{self.path.name}.wal")):
                if path.exists():
                    shutil.copyfile(path, folder / path.name)
        return copy

    @contextmanager
    def _opened(self, deadline: float) -> Generator[duckdb.DuckDBPyConnection]:
        """A connection, under the lock, with the schema up to date."""
        connection = self._open(deadline)
        try:
            if not self._migrated:
                migrate(connection)
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
                # Somebody opened the working file by hand: they will close it, or we say who it is. Not just "lock":
                # that also stands in "block", and may stand in the path.
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
        # An engine takes four times as long to start as a file to attach, so one serves for every connection. And only
        # what is attached can be given a size of row groups.
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
        """Give the file back as one whole: what is unfinished is rolled back, and the log is folded in."""
        # With its connection ends its transaction, and nothing else holds the file.
        connection.close()
        assert self._engine is not None
        try:
            self._engine.execute("DETACH DATABASE IF EXISTS warehouse")
        except duckdb.Error:
            # The disk is full, say, and the log cannot be folded in. With the engine ends all that it holds; the log
            # stays beside the file, and the next to open it folds it in.
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
    """All of it or nothing."""
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
