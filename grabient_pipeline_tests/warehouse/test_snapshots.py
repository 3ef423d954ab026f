"""Snapshots: closed, verified, named by ledger and revision, taken by themselves, and some of them kept."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from pathlib import Path

import duckdb
import pytest

from grabient_pipeline.errors import SettingsError, WarehouseError
from grabient_pipeline.warehouse import Warehouse, schema
from grabient_pipeline.warehouse.copies import inspect_copy, read_copy
from grabient_pipeline.warehouse.files import copy_file
from grabient_pipeline.warehouse.restore import back_up
from grabient_pipeline.warehouse.retention import Retention
from grabient_pipeline.warehouse.snapshots import list_snapshots, parse_name, prune, summarize, take_snapshot
from grabient_pipeline_tests.warehouse.conftest import blocks_of, count_answers, damage_block, open_again

NOW = dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC)


def make_older(settings, hours):
    """Make the ledger and its snapshots older."""
    with Warehouse.at(settings).connect() as connection:
        connection.execute("UPDATE schema_migrations SET applied_at = applied_at - to_hours(?)", [hours])
    for snapshot in list_snapshots(settings.data_dir / "backups"):
        earlier = f"{snapshot.taken_at - dt.timedelta(hours=hours):%Y%m%dT%H%M%S%fZ}"
        name = snapshot.path.name.replace(f"{snapshot.taken_at:%Y%m%dT%H%M%S%fZ}", earlier)
        snapshot.path.rename(snapshot.path.with_name(name))


class TestTaking:
    def test_publishing_takes_one_an_hour(self, answered):
        pipeline, folder = open_again(answered), answered.data_dir / "backups"
        pipeline.set_analysis_count(3)
        assert not folder.exists(), "the ledger is younger than an hour"
        make_older(answered, 2)
        for count in (4, 5):
            pipeline.set_analysis_count(count)
        (first,) = list_snapshots(folder)
        assert read_copy(first.path).revision == first.revision
        make_older(answered, 2)
        pipeline.set_analysis_count(6)
        assert len(list_snapshots(folder)) == 2
        make_older(answered, 2)
        assert not pipeline.warehouse.publish() or len(list_snapshots(folder)) == 3
        assert not list(folder.glob(".taking*"))

    def test_without_changes_none_is_taken(self, answered):
        make_older(answered, 2)
        pipeline = open_again(answered)
        pipeline.warehouse.publish()
        taken = len(list_snapshots(answered.data_dir / "backups"))
        for _ in range(2):
            pipeline.status()
        assert len(list_snapshots(answered.data_dir / "backups")) == taken == 1

    def test_they_can_be_turned_off(self, answered, monkeypatch):
        make_older(answered, 2)
        with Warehouse.at(answered).connect() as connection:
            connection.execute("UPDATE config SET backups = '0,0,0'")
        open_again(answered).set_analysis_count(3)
        assert not (answered.data_dir / "backups").exists()

    def test_a_backup_by_hand_holds_everything_and_shares_nothing(self, answered, tmp_path):
        written = back_up(Warehouse.at(answered), tmp_path / "it's here")
        assert (written.answers, written.damage) == (count_answers(answered), None)
        parsed = parse_name(written.path)
        assert parsed is not None
        assert (parsed.ledger_id, parsed.revision) == (written.ledger_id, written.revision)
        assert written.path.stat().st_nlink == 1
        assert written.path.stat().st_ino != answered.warehouse.stat().st_ino
        assert {path.suffix for path in (tmp_path / "it's here").iterdir()} == {".duckdb"}

    def test_what_cannot_be_read_in_full_is_no_snapshot(self, answered, tmp_path):
        """It neither gets a name nor evicts a good one."""
        folder = tmp_path / "backups"
        good = take_snapshot(lambda part: copy_file(answered.published, part), folder)
        block = blocks_of(answered.published, "tag_responses")[0]

        def write_damaged(part: Path) -> None:
            shutil.copyfile(answered.published, part)
            damage_block(part, block)

        with pytest.raises(WarehouseError, match="cannot be read in full"):
            take_snapshot(write_damaged, folder)
        assert list(folder.iterdir()) == [good.path]

    def test_a_folder_that_cannot_be_written_to_is_named(self, answered, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(WarehouseError, match="cannot write a backup to .*file"):
            back_up(Warehouse.at(answered), tmp_path / "file")

    def test_a_part_of_a_killed_process_is_removed_later(self, answered, tmp_path):
        part = tmp_path / ".taking-20260101T000000000000Z.part"
        part.touch()
        os.utime(part, (0, 0))
        back_up(Warehouse.at(answered), tmp_path)
        assert not part.exists()

    def test_the_summary(self, answered):
        folder = answered.data_dir / "backups"
        assert summarize(folder).count == 0
        written = back_up(Warehouse.at(answered), folder)
        summary = summarize(folder, written.ledger_id)
        assert (summary.count, summary.newest) == (1, str(written.path))
        assert summary.megabytes == pytest.approx(written.path.stat().st_size / 1e6, abs=0.1)
        assert open_again(answered).status().backups == summary


class TestMigration:
    def test_there_is_a_snapshot_from_before(self, answered):
        def execute(*statements):
            with duckdb.connect(str(answered.warehouse)) as connection:
                for statement in statements:
                    connection.execute(statement)

        before = inspect_copy(answered.warehouse)
        execute(
            "DELETE FROM schema_migrations WHERE name = '0010_identity'",
            *(
                f"ALTER TABLE config DROP COLUMN {name}"
                for name in ("revision", "backups", "restored_at", "paused_since", "paused_reason")
            ),
        )
        shutil.copyfile(answered.warehouse, answered.published)
        open_again(answered).status()
        (snapshot,) = list_snapshots(answered.data_dir / "backups")
        assert snapshot.path.name.endswith("-before-update.duckdb")
        copy = read_copy(snapshot.path)
        assert (copy.answers, copy.ledger_id) == (before.answers, before.ledger_id)
        with duckdb.connect(str(snapshot.path), read_only=True) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM schema_migrations").fetchall()}
        assert "0010_identity" not in names

    def test_without_a_snapshot_nothing_is_migrated(self, answered, monkeypatch):
        (answered.data_dir / "backups").touch()
        known = schema._migrations()
        monkeypatch.setattr(schema, "_migrations", lambda: [*known, ("9000_a", "CREATE TABLE a (x INT)")])
        with pytest.raises(WarehouseError, match="cannot write a backup"):
            open_again(answered).status()
        assert "a" not in {
            name for (name,) in duckdb.connect(str(answered.warehouse)).execute("SHOW TABLES").fetchall()
        }


class TestRetention:
    @pytest.mark.parametrize("text", ["3,7,4", "0,0,0", " 1, 2,3 "])
    def test_three_numbers(self, text):
        assert str(Retention.parse(text)) == text.replace(" ", "")

    def test_off(self):
        assert Retention.parse("off").is_off

    @pytest.mark.parametrize("text", ["", "3", "3,7", "a,b,c", "-1,2,3", "3,7,4,1", "1e3,1,1"])
    def test_anything_else_is_refused(self, text):
        with pytest.raises(SettingsError, match="three numbers such as 3,7,4"):
            Retention.parse(text)

    def test_the_last_three_one_a_day_one_a_week(self):
        moments = [NOW - dt.timedelta(hours=hours) for hours in range(24 * 60)]
        kept = sorted(Retention().kept(moments), reverse=True)
        assert kept[:3] == moments[:3]
        days = {moment.date() for moment in kept}
        assert {NOW.date() - dt.timedelta(days=days_ago) for days_ago in range(7)} <= days
        assert len({moment.isocalendar()[:2] for moment in kept}) == 4
        assert len(kept) <= 3 + 7 + 4
        assert kept[-1] >= NOW - dt.timedelta(days=31)

    def test_snapshots_of_another_ledger_stay(self, tmp_path):
        for ledger in ("aaaaa", "bbbbb"):
            for revision in range(6):
                (tmp_path / f"grabient-{ledger}-r{revision:06}-20260101T00000000000{revision}Z.duckdb").touch()
        (tmp_path / "grabient-mine.duckdb").touch()
        removed = prune(tmp_path, Retention(2, 0, 0), "aaaaa")
        assert len(removed) == 4
        assert {each.revision for each in list_snapshots(tmp_path) if each.ledger_id == "aaaaa"} == {4, 5}
        assert len(list(tmp_path.iterdir())) == 2 + 6 + 1
        assert prune(tmp_path, Retention(0, 0, 0), "bbbbb") == []
