"""The working database is migrated once and held by one process at a time; readers use the published copy."""

from __future__ import annotations

import os
import signal
import time

import duckdb
import pytest

import grabient_pipeline
from grabient_pipeline.errors import SettingsError, WarehouseBusy, WarehouseError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse, schema, transaction

TABLES = {
    "config",
    "palettes",
    "palette_spellings",
    "prompt_versions",
    "tag_batches",
    "tag_requests",
    "request_claims",
    "tag_responses",
    "collection_findings",
    "palette_tags",
    "answer_parses",
    "schema_migrations",
}


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path / "data")


@pytest.fixture
def warehouse(settings):
    return Warehouse.at(settings)


def is_one_line(error: BaseException) -> bool:
    return "\n" not in str(error) and len(str(error)) < 1000


HOLDER = """
import sys
from pathlib import Path
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
with Warehouse.at(Settings(Path(sys.argv[1]))).connect() as connection:
    {work}
    print("holding", flush=True)
    sys.stdin.readline()
"""
OTHER_PROGRAM = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print("holding", flush=True)
sys.stdin.readline()
connection.close()
"""
HOLD = HOLDER.format(work="pass")


class TestMigrations:
    def test_a_new_database_has_every_table(self, warehouse):
        with warehouse.connect() as connection:
            tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        assert tables >= TABLES

    def test_each_migration_runs_once_in_order_and_is_recorded(self, settings):
        names = [name for name, _ in schema._migrations()]
        assert names == sorted(names)
        for _ in range(2):
            with Warehouse.at(settings).connect() as connection:
                applied = connection.execute("SELECT name FROM schema_migrations ORDER BY applied_at, name").fetchall()
        assert [name for (name,) in applied] == names

    def test_a_later_migration_runs_on_existing_data(self, settings, monkeypatch):
        with Warehouse.at(settings).connect() as connection:
            connection.execute("UPDATE config SET tag_analysis_count = 5")
        later = [*schema._migrations(), ("9001_b", "CREATE TABLE b AS SELECT * FROM a")]
        monkeypatch.setattr(
            schema, "_migrations", lambda: [*later[:-1], ("9000_a", "CREATE TABLE a (x INT)"), later[-1]]
        )
        with Warehouse.at(settings).connect() as connection:
            assert connection.execute("SELECT tag_analysis_count FROM config").fetchall() == [(5,)]
            assert connection.execute("SELECT count(*) FROM b").fetchall() == [(0,)]

    def test_a_failed_migration_leaves_nothing_behind(self, settings, monkeypatch):
        known = schema._migrations()
        monkeypatch.setattr(schema, "_migrations", lambda: [*known, ("9000_bad", "CREATE TABLE a (x INT); SELECT no")])
        with pytest.raises(duckdb.Error), Warehouse.at(settings).connect():
            pass
        monkeypatch.setattr(schema, "_migrations", lambda: known)
        with Warehouse.at(settings).connect() as connection:
            assert not connection.execute("FROM duckdb_tables() WHERE table_name = 'a'").fetchall()

    def test_what_follows_the_migrations_runs_on_the_first_connection_that_succeeds(self, settings):
        calls = []

        def follow(connection):
            calls.append(connection.execute("SELECT count(*) FROM config").fetchall())
            if len(calls) == 1:
                raise ValueError

        warehouse = Warehouse.at(settings, after_migration=follow)
        with pytest.raises(ValueError), warehouse.connect():
            pass
        for _ in range(3):
            with warehouse.connect():
                pass
        assert calls == [[(1,)]] * 2

    def test_a_database_of_a_newer_version_is_rejected(self, settings):
        with Warehouse.at(settings).connect() as connection:
            connection.execute("INSERT INTO schema_migrations VALUES ('9999_from_the_future', now())")
        with pytest.raises(WarehouseError, match="9999_from_the_future.*update the pipeline") as refused:
            with Warehouse.at(settings).connect():
                pass
        assert is_one_line(refused.value)


class TestLock:
    def test_concurrent_processes_queue_for_the_lock(self, settings, run_python):
        """DuckDB fails the second of two concurrent writers."""
        count = "connection.execute('UPDATE config SET tag_analysis_count = tag_analysis_count + 1')"
        text = f"""
import sys
from pathlib import Path
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
sys.stdin.readline()
for _ in range(4):
    with Warehouse.at(Settings(Path(sys.argv[1]))).connect() as connection:
        {count}
"""
        Warehouse.at(settings)
        processes = [run_python(text, settings.data_dir) for _ in range(2)]
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
        with Warehouse.at(settings).connect() as connection:
            assert connection.execute("SELECT tag_analysis_count FROM config").fetchall() == [(8 + 8,)]

    def test_waiting_too_long_fails_with_a_one_line_message(self, settings, warehouse, run_python):
        holder = run_python(HOLD, settings.data_dir)
        assert holder.stdout.readline() == "holding\n"
        started = time.monotonic()
        with pytest.raises(WarehouseBusy, match="another process has held .* try again") as busy:
            with warehouse.connect(wait_seconds=0.2):
                pass
        assert 0.2 <= time.monotonic() - started < 5
        assert is_one_line(busy.value)
        with pytest.raises(WarehouseBusy):
            warehouse.publish(wait_seconds=0)

    def test_the_lock_is_released_when_its_holder_is_killed(self, settings, warehouse, run_python):
        holder = run_python(HOLD, settings.data_dir)
        assert holder.stdout.readline() == "holding\n"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(10)
        with warehouse.connect(wait_seconds=5) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]

    def test_the_lock_is_released_after_an_error(self, warehouse):
        with pytest.raises(ZeroDivisionError), warehouse.connect():
            raise ZeroDivisionError
        with warehouse.connect(wait_seconds=0.2):
            pass

    def test_an_open_cursor_does_not_hold_the_file(self, settings, warehouse, run_python):
        with warehouse.connect() as connection:
            cursor = connection.cursor()
            cursor.execute("USE warehouse")
            cursor.execute("BEGIN")
            cursor.execute("UPDATE config SET tag_analysis_count = 13")
        another = run_python(HOLD, settings.data_dir)
        assert another.stdout.readline() == "holding\n"
        another.communicate("leave\n", timeout=20)
        with warehouse.connect() as connection:
            assert connection.execute("SELECT tag_analysis_count FROM config").fetchall() == [(8,)]
        cursor.close()

    def test_a_working_file_that_is_open_in_another_program_is_busy(self, settings, warehouse, run_python):
        with warehouse.connect():
            pass
        other_program = run_python(OTHER_PROGRAM, settings.warehouse)
        assert other_program.stdout.readline() == "holding\n"
        with pytest.raises(WarehouseBusy, match="open in another program") as busy:
            with warehouse.connect(wait_seconds=0.3):
                pass
        assert str(settings.published) in str(busy.value)
        assert is_one_line(busy.value)
        other_program.stdin.write("leave\n")
        other_program.stdin.flush()
        with warehouse.connect(wait_seconds=20) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]


class TestTransaction:
    def test_a_transaction_is_applied_completely_or_not_at_all(self, warehouse):
        with warehouse.connect() as connection:
            with pytest.raises(ZeroDivisionError), transaction(connection):
                connection.execute("UPDATE config SET tag_analysis_count = 2")
                raise ZeroDivisionError
            assert connection.execute("SELECT tag_analysis_count FROM config").fetchall() == [(8,)]
            with transaction(connection):
                connection.execute("UPDATE config SET tag_analysis_count = 2")
        with warehouse.connect() as connection:
            assert connection.execute("SELECT tag_analysis_count FROM config").fetchall() == [(2,)]


class TestPublishing:
    def test_publishing_without_changes_does_nothing(self, settings, warehouse):
        assert warehouse.publish()
        assert not warehouse.publish()
        with warehouse.connect() as connection:
            connection.execute("SELECT count(*) FROM palettes")
        assert not warehouse.publish()
        with warehouse.connect() as connection:
            connection.execute("UPDATE config SET tag_analysis_count = 3")
        assert warehouse.publish()
        assert not list(settings.state_dir.glob("publishing*"))

    def test_a_new_database_is_published_with_its_tables(self, settings, warehouse):
        """A reader may come before the first step has run."""
        warehouse.publish()
        with grabient_pipeline.connect(settings.data_dir) as connection:
            assert connection.execute("SELECT count(*) FROM palettes").fetchall() == [(0,)]

    def test_a_database_of_a_newer_version_is_not_published(self, settings, warehouse):
        with warehouse.connect() as connection:
            connection.execute("INSERT INTO schema_migrations VALUES ('9999_from_the_future', now())")
        with pytest.raises(WarehouseError, match="9999_from_the_future"):
            Warehouse.at(settings).publish()

    def test_an_open_reader_keeps_its_version_and_a_new_one_sees_the_latest(self, settings, warehouse):
        counts = "SELECT tag_analysis_count FROM config"
        warehouse.publish()
        first = grabient_pipeline.connect(settings.data_dir)
        for count in (3, 4):
            with warehouse.connect() as connection:
                connection.execute("UPDATE config SET tag_analysis_count = ?", [count])
            warehouse.publish()
            with grabient_pipeline.connect(settings.data_dir) as newest:
                assert newest.execute(counts).fetchall() == [(count,)]
        assert first.execute(counts).fetchall() == [(8,)]
        first.close()

    def test_a_reader_in_another_program_is_not_disturbed(self, settings, warehouse, run_python):
        warehouse.publish()
        text = OTHER_PROGRAM.replace(
            "connection.close()", "print(connection.execute('SELECT tag_analysis_count FROM config').fetchall())"
        )
        reader = run_python(text, settings.published)
        assert reader.stdout.readline() == "holding\n"
        with warehouse.connect(wait_seconds=1) as connection:
            connection.execute("UPDATE config SET tag_analysis_count = 3")
        assert warehouse.publish(wait_seconds=1)
        output, errors = reader.communicate("read\n", timeout=30)
        assert (output, reader.returncode) == ("[(8,)]\n", 0), errors

    @pytest.mark.parametrize("folder", ["it's here", 'a "b"', "data [1]*", "blåbær"])
    def test_the_data_directory_may_have_any_name(self, tmp_path, folder, monkeypatch):
        settings = Settings(tmp_path / folder)
        Warehouse.at(settings).publish()
        monkeypatch.setenv("GRABIENT_DATA_DIR", str(settings.data_dir))
        with grabient_pipeline.connect() as connection:
            assert connection.execute("SELECT count(*) FROM palettes").fetchall() == [(0,)]

    def test_connecting_fails_before_anything_is_published(self, tmp_path):
        with pytest.raises(WarehouseError, match="import palettes first"):
            grabient_pipeline.connect(tmp_path)

    def test_a_reader_cannot_write(self, settings, warehouse):
        warehouse.publish()
        with grabient_pipeline.connect(settings.data_dir) as connection, pytest.raises(duckdb.Error):
            connection.execute("UPDATE config SET tag_analysis_count = 3")

    def test_the_write_ahead_log_of_a_killed_writer_is_checkpointed(self, settings, warehouse, run_python):
        """A copy of the file is a copy of the database only if there is no log beside it."""
        work = "connection.execute('SET checkpoint_threshold = \\'1GB\\'; UPDATE config SET tag_analysis_count = 7')"
        writer = run_python(HOLDER.format(work=work), settings.data_dir)
        assert writer.stdout.readline() == "holding\n"
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(10)
        log = settings.warehouse.with_name("warehouse.duckdb.wal")
        assert log.stat().st_size > 0, "the test needs a log that was not checkpointed"
        assert warehouse.publish()
        assert not log.exists()
        with grabient_pipeline.connect(settings.data_dir) as connection:
            assert connection.execute("SELECT tag_analysis_count FROM config").fetchall() == [(7,)]

    def test_changes_stay_in_the_write_ahead_log_while_the_disk_is_full(self, settings, warehouse, run_python):
        """The same process continues once there is space."""
        text = """
import resource, signal, sys
from pathlib import Path
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
warehouse = Warehouse.at(Settings(Path(sys.argv[1])))
with warehouse.connect():
    pass
# No file may grow beyond the present size of the database: there is space for a log, but not in the database.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (warehouse.path.stat().st_size, most))
with warehouse.connect() as connection:
    connection.execute("CREATE TABLE much AS SELECT uuid()::VARCHAR AS word FROM range(3000)")
print(warehouse.path.with_name("warehouse.duckdb.wal").exists())
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
with warehouse.connect() as connection:
    print(*connection.execute("SELECT count(*) FROM much").fetchone())
print(warehouse.path.with_name("warehouse.duckdb.wal").exists())
"""
        out, errors = run_python(text, settings.data_dir).communicate(timeout=60)
        assert out.split() == ["True", "3000", "False"], errors
        warehouse.publish()
        with grabient_pipeline.connect(settings.data_dir) as connection:
            assert connection.execute("SELECT count(*) FROM much").fetchall() == [(3000,)]

    def test_duckdb_1_5_can_open_the_published_file(self, settings, warehouse):
        """Users may have DuckDB 1.5."""
        warehouse.publish()
        with duckdb.connect(str(settings.published), read_only=True) as connection:
            ((tags,),) = connection.execute("SELECT tags FROM duckdb_databases() WHERE path IS NOT NULL").fetchall()
        assert tags["storage_version"].startswith("v1.5")

    def test_a_failed_publication_is_explained_and_leaves_no_partial_file(self, settings, warehouse):
        settings.published.mkdir()
        (settings.published / "in the way").touch()
        with pytest.raises(WarehouseError, match="cannot publish .* what was done is safe") as failed:
            warehouse.publish()
        assert is_one_line(failed.value)
        assert not list(settings.state_dir.glob("publishing*"))


class TestUnusableFiles:
    @pytest.mark.parametrize("blocked", ["data", "data/state", "data/state/spool"])
    def test_a_file_in_place_of_a_directory_is_reported(self, tmp_path, settings, blocked):
        obstacle = tmp_path / blocked
        obstacle.parent.mkdir(parents=True, exist_ok=True)
        obstacle.write_text("in the way")
        with pytest.raises(SettingsError, match="GRABIENT_DATA_DIR") as failed:
            Pipeline(settings, {})
        assert str(obstacle) in str(failed.value)
        assert is_one_line(failed.value)

    def test_a_directory_in_place_of_the_lock_is_reported(self, settings, warehouse):
        settings.warehouse.with_name("warehouse.lock").mkdir()
        with pytest.raises(WarehouseError) as failed, warehouse.connect(wait_seconds=0.2):
            pass
        assert is_one_line(failed.value)

    @pytest.mark.parametrize(
        "content",
        [b"this is no database" * 1000, b"x", os.urandom(20_000)],
        ids=["text", "one byte", "noise"],
    )
    def test_a_file_that_is_not_a_database_fails_without_waiting(self, settings, warehouse, content):
        settings.warehouse.write_bytes(content)
        started = time.monotonic()
        with pytest.raises(WarehouseError, match="cannot open") as failed:
            with warehouse.connect(wait_seconds=3):
                pass
        assert not isinstance(failed.value, WarehouseBusy)
        assert is_one_line(failed.value)
        assert time.monotonic() - started < 2, "waiting cannot help"

    @pytest.mark.parametrize(
        "damage",
        [slice(0, 4096), slice(4096, 12288), slice(12288 + 100, None)],
        ids=["header", "database headers", "blocks"],
    )
    def test_a_damaged_file_is_not_reported_as_busy(self, tmp_path, damage):
        """The word "lock" is part of "block", and may be part of a path."""
        settings = Settings(tmp_path / "clockwork")
        with Warehouse.at(settings).connect():
            pass
        content = bytearray(settings.warehouse.read_bytes())
        content[damage] = bytes(len(content[damage]))
        settings.warehouse.write_bytes(content)
        with pytest.raises(WarehouseError, match="cannot open") as failed:
            with Warehouse.at(settings).connect(wait_seconds=0.2):
                pass
        assert not isinstance(failed.value, WarehouseBusy)
        assert is_one_line(failed.value)


class TestSettings:
    @pytest.mark.parametrize("text", ["", "25"])
    def test_the_default_cap_is_25_dollars(self, text):
        assert Settings.from_environment({"GRABIENT_MAX_COST_USD": text}).max_cost_usd == 25

    @pytest.mark.parametrize("text", ["cheap", "-1", "nan", "inf", "1,5", "$3"])
    def test_an_invalid_cap_is_rejected(self, text):
        with pytest.raises(SettingsError, match="GRABIENT_MAX_COST_USD") as failed:
            Settings.from_environment({"GRABIENT_MAX_COST_USD": text})
        assert is_one_line(failed.value)

    def test_the_demo_has_its_own_data_directory(self, tmp_path):
        settings = Settings.from_environment({"GRABIENT_DATA_DIR": str(tmp_path)})
        assert not settings.sandbox
        assert settings.demo().sandbox
        assert settings.demo().published.parent == tmp_path / "demo"

    def test_a_relative_data_directory_is_resolved_at_once(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        settings = Settings.from_environment({"GRABIENT_DATA_DIR": "here"})
        monkeypatch.chdir("/")
        assert settings.data_dir == tmp_path / "here"
