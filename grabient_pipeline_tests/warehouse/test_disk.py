"""Disks: full, read-only, or without locks. One clear line, nothing half-written, and the next run goes on."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grabient_pipeline.errors import GrabientError, WarehouseError
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
from grabient_pipeline.warehouse.copies import read_copy
from grabient_pipeline.warehouse.files import copy_file
from grabient_pipeline.warehouse.restore import back_up, choose_copy, find_copies, restore
from grabient_pipeline_tests.warehouse.conftest import open_again
from grabient_pipeline_tests.warehouse.kernel import DENY

Mount = Callable[..., None]

_MEGABYTE = 1_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None or _mount("-t", "tmpfs", "-o", "size=32m", "tmpfs", folder):
        pytest.skip("mounting a disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def _mount(*arguments: object) -> int:
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False).returncode


@pytest.fixture
def on_disk(disk: Path, answered: Settings) -> Settings:
    """The ledger with answers, on the small disk."""
    shutil.copytree(answered.data_dir, disk / "data")
    return Settings(disk / "data", sandbox=True)


def fill(disk: Path, leave: int) -> Path:
    """Fill a disk except for so many bytes."""
    status = os.statvfs(disk)
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - leave)
    return ballast


def names(settings: Settings) -> set[str]:
    return {str(path.relative_to(settings.data_dir)) for path in settings.data_dir.rglob("*") if path.is_file()}


class TestFullDisk:
    @pytest.mark.parametrize("megabytes", [0, 1, 4])
    def test_a_step_says_so_and_the_next_one_goes_on(self, on_disk, disk, megabytes):
        """Without space for the log, for the checkpoint, and for the published copy."""
        before, revision = names(on_disk), read_copy(on_disk.published).revision
        ballast = fill(disk, megabytes * _MEGABYTE)
        with pytest.raises(WarehouseError, match="disk is full|No space left") as refused:
            with Warehouse.at(on_disk).connect() as connection:
                connection.execute("CREATE TABLE much AS SELECT uuid()::VARCHAR AS word FROM range(400_000)")
            Warehouse.at(on_disk).publish()
        assert "\n" not in str(refused.value)
        assert read_copy(on_disk.published).revision == revision
        ballast.unlink()
        with Warehouse.at(on_disk).connect() as connection:
            connection.execute("DROP TABLE IF EXISTS much")
        open_again(on_disk).set_analysis_count(3)
        assert read_copy(on_disk.published).revision > revision
        assert names(on_disk) - before <= {"state/warehouse.lock"}

    def test_a_backup_leaves_nothing_half_written(self, on_disk, disk):
        ballast = fill(disk, _MEGABYTE)
        with pytest.raises(WarehouseError, match="cannot write a backup to .*No space left"):
            back_up(Warehouse.at(on_disk), disk / "backups")
        assert list((disk / "backups").iterdir()) == []
        ballast.unlink()
        assert back_up(Warehouse.at(on_disk), disk / "backups").damage is None

    def test_a_restore_changes_nothing(self, on_disk, disk):
        on_disk.warehouse.unlink()
        warehouse = Warehouse(on_disk.warehouse, on_disk.published)
        known = find_copies(warehouse)
        ballast = fill(disk, _MEGABYTE)
        with pytest.raises(WarehouseError, match="disk is full|No space left"):
            restore(warehouse, choose_copy(known), known)
        assert not on_disk.warehouse.exists()
        assert not list(on_disk.state_dir.glob("*restoring*"))
        ballast.unlink()
        restore(warehouse, choose_copy(known), known)
        assert open_again(on_disk).status().answers > 0

    def test_a_snapshot_without_space_does_not_fail_the_step(self, on_disk, disk):
        with Warehouse.at(on_disk).connect() as connection:
            connection.execute("UPDATE schema_migrations SET applied_at = applied_at - INTERVAL 2 HOURS")
        ballast = fill(disk, int(1.3 * on_disk.warehouse.stat().st_size))
        # Space for one more copy: a reader keeps that of the published copy that is replaced.
        with on_disk.published.open("rb"):
            open_again(on_disk).set_analysis_count(3)
            assert list((on_disk.data_dir / "backups").glob("*")) == []
        ballast.unlink()
        open_again(on_disk).set_analysis_count(4)
        assert len(list((on_disk.data_dir / "backups").glob("grabient-*.duckdb"))) == 1


class TestReadOnlyDisk:
    def test_it_is_named_and_nothing_is_lost(self, on_disk, disk):
        pipeline = open_again(on_disk)
        assert _mount("-o", "remount,ro", disk) == 0
        for start in (lambda: open_again(on_disk).status(), lambda: pipeline.set_analysis_count(3)):
            with pytest.raises(GrabientError, match="cannot write to .*|read-only") as refused:
                start()
            assert "\n" not in str(refused.value)
        assert _mount("-o", "remount,rw", disk) == 0
        pipeline.set_analysis_count(3)


# Each case in a process of its own, as a filter cannot be removed again.
_WITHOUT_LOCKS = (
    DENY  # noqa: S608
    + """
import os, sys
from pathlib import Path
from grabient_pipeline.errors import WarehouseError
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
for call, argument in ((FLOCK, None), (FCNTL, F_SETLK)):
    for answer in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
        if os.fork() == 0:
            deny(call, answer, argument)
            try:
                with Warehouse.at(Settings(Path(sys.argv[1]))).connect() as connection:
                    connection.execute("UPDATE config SET tag_analysis_count = 3")
            except WarehouseError as error:
                print(error, flush=True)
            os._exit(0)
        os.wait()
"""
)


class TestNoLocks:
    def test_a_folder_where_locks_do_not_work_is_refused(self, answered, run_python):
        """Two machines on one folder could otherwise write the ledger at once."""
        before = {path: path.read_bytes() for path in (answered.warehouse, answered.published)}
        out, errors = run_python(_WITHOUT_LOCKS, answered.data_dir).communicate(timeout=60)
        lines = out.splitlines()
        assert len(lines) == 6, errors
        assert all(line.startswith("file locks do not work in") for line in lines), out
        assert all(line.endswith("to a folder on a local disk") for line in lines)
        assert {path: path.read_bytes() for path in before} == before
        assert list(answered.state_dir.glob("*.lock")) in ([], [answered.warehouse.with_name("warehouse.lock")])
        open_again(answered).set_analysis_count(3)


class TestCopying:
    def test_a_copy_has_blocks_of_its_own(self, tmp_path):
        (tmp_path / "a").write_bytes(os.urandom(1_000_000))
        for clone in (True, False):
            copy_file(tmp_path / "a", tmp_path / "b", clone=clone)
            assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
            assert (tmp_path / "b").stat().st_ino != (tmp_path / "a").stat().st_ino

    def test_a_full_disk_is_reported(self, disk, tmp_path):
        (tmp_path / "a").write_bytes(bytes(2 * _MEGABYTE))
        fill(disk, _MEGABYTE)
        with pytest.raises(OSError) as failed:
            copy_file(tmp_path / "a", disk / "b")
        assert failed.value.errno == errno.ENOSPC
