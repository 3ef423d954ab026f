"""Restoring: the newest good copy comes back, nothing is deleted, and nothing is paid for by itself afterwards."""

from __future__ import annotations

import shutil

import duckdb
import pytest

from grabient_pipeline.batches.orders import RefinementRequest
from grabient_pipeline.errors import WarehouseError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
from grabient_pipeline.warehouse.copies import inspect_copy, read_copy
from grabient_pipeline.warehouse.damage import is_damage
from grabient_pipeline.warehouse.restore import back_up, choose_copy, find_copies, restore
from grabient_pipeline_tests.catalogue import MODELS
from grabient_pipeline_tests.conftest import Workbench
from grabient_pipeline_tests.warehouse.conftest import (
    BLOCK,
    LOSSES,
    blocks_of,
    count_answers,
    damage_block,
    lose,
    open_again,
)


def put_back(settings: Settings, place=None):
    settings.create_directories()
    warehouse = Warehouse(settings.warehouse, settings.published)
    known = find_copies(warehouse, place)
    return restore(warehouse, choose_copy(known, place), known)


class TestRestore:
    @pytest.mark.parametrize("how", LOSSES)
    def test_what_was_lost_is_put_back(self, answered, how):
        kept, revision = count_answers(answered), read_copy(answered.published).revision
        lose(answered, how)
        lost = answered.warehouse.read_bytes() if answered.warehouse.exists() else None
        report = put_back(answered)
        assert open_again(answered).status().answers == count_answers(answered) == kept > 0
        assert read_copy(answered.published).revision > revision
        assert [path.read_bytes() for path in report.kept] == ([] if lost is None else [lost])

    def test_nothing_is_paid_again(self, answered, sandbox):
        shutil.rmtree(answered.state_dir)
        put_back(answered)
        workbench = Workbench(answered, sandbox)
        assert workbench.backfill(MODELS["openai"], analysis_count=2).request_count == 0

    def test_the_copy_that_has_come_furthest_is_chosen(self, answered):
        pipeline = open_again(answered)
        folder = answered.data_dir / "backups"
        older = back_up(pipeline.warehouse, folder)
        pipeline.set_analysis_count(3)
        newer = back_up(pipeline.warehouse, folder)
        answered.published.unlink()
        known = find_copies(pipeline.warehouse)
        assert [copy.path for copy in known.others] == [newer.path, older.path]
        damage_block(newer.path, blocks_of(newer.path, "tag_responses")[0])
        known = find_copies(pipeline.warehouse)
        assert choose_copy(known).path == older.path
        assert [copy.path for copy in known.ahead_of(older)] == [answered.warehouse, newer.path]
        assert choose_copy(known, older.path).path == choose_copy(known, folder).path == older.path

    def test_copies_of_two_ledgers_are_not_confused(self, answered, tmp_path):
        other = Settings(tmp_path / "other")
        open_again(other).warehouse.publish()
        back_up(Warehouse.at(other), answered.data_dir / "backups")
        warehouse = Warehouse.at(answered)
        with pytest.raises(WarehouseError, match="copies of 2 ledgers .* name the file to restore"):
            choose_copy(find_copies(warehouse))
        published = answered.published.read_bytes()
        (snapshot,) = (answered.data_dir / "backups").glob("*.duckdb")
        report = put_back(answered, snapshot)
        assert published in [path.read_bytes() for path in report.kept], "the other ledger's copy is kept"
        assert read_copy(answered.published).ledger_id == read_copy(other.published).ledger_id

    def test_without_a_good_copy_nothing_is_touched(self, answered):
        damage_block(answered.published, blocks_of(answered.published, "tag_responses")[0])
        lose(answered, "zeros")
        with pytest.raises(WarehouseError, match="no copy of the ledger that can be read in full .*checksum"):
            put_back(answered)
        assert answered.warehouse.read_bytes() == b"\0" * 8192

    def test_everything_in_the_schema_comes_back(self, answered):
        """Tables are written into a new file, so that their indexes are built again."""

        def read_schema():
            with duckdb.connect(str(answered.published), read_only=True) as connection:
                return [
                    connection.execute(statement).fetchall()
                    for statement in (
                        "SELECT table_name, comment, sql FROM duckdb_tables() ORDER BY 1",
                        "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal ORDER BY 1",
                        "SELECT table_name, column_name, comment, column_default FROM duckdb_columns() "
                        "WHERE NOT internal ORDER BY table_name, column_index",
                        "SELECT table_name, constraint_text FROM duckdb_constraints() ORDER BY ALL",
                        "SELECT count(*) FROM consensus_tags",
                    )
                ]

        before = read_schema()
        put_back(answered, answered.published)
        assert read_schema() == before

    def test_a_damaged_index_is_built_again(self, answered):
        """Its blocks are not read with the tables, so only writing finds the damage."""
        insert = "INSERT INTO tag_requests FROM tag_requests LIMIT 1"
        path = answered.warehouse
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        read = {block for table in tables for block in blocks_of(path, table)}
        for block in set(range(path.stat().st_size // BLOCK)) - read:
            before = path.read_bytes()
            damage_block(path, block)
            if inspect_copy(path).damage:
                path.write_bytes(before)
        with pytest.raises(duckdb.Error) as found, duckdb.connect(str(path)) as connection:
            connection.execute(insert)
        assert is_damage(found.value)
        put_back(answered, path)
        with Warehouse.at(answered).connect() as connection, pytest.raises(duckdb.ConstraintException):
            connection.execute(insert)

    def test_a_copy_of_an_earlier_version_is_brought_up_to_date(self, answered, tmp_path):
        copy = tmp_path / "old.duckdb"
        shutil.copy(answered.published, copy)
        with duckdb.connect(str(copy)) as connection:
            connection.execute("DELETE FROM schema_migrations WHERE name = '0010_identity'")
            for name in ("ledger_id", "revision", "backups", "restored_at", "paused_since", "paused_reason"):
                connection.execute(f"ALTER TABLE config DROP COLUMN {name}")
            connection.execute("ALTER TABLE config ADD COLUMN ledger_id VARCHAR")
        ledger_id = read_copy(answered.published).ledger_id
        put_back(answered, copy)
        assert read_copy(answered.published).ledger_id == ledger_id
        assert open_again(answered).status().answers > 0

    def test_a_killed_restore_can_be_repeated(self, answered):
        answered.warehouse.rename(answered.warehouse.with_name("warehouse-20260101T000000.duckdb"))
        answered.warehouse.with_name("warehouse.duckdb.restoring").write_bytes(b"half")
        put_back(answered)
        assert open_again(answered).status().answers > 0
        assert not list(answered.state_dir.glob("*restoring*"))


class TestOtherProcesses:
    def test_a_step_that_began_before_does_not_go_on(self, answered):
        running = open_again(answered)
        running.analysis_count()
        put_back(answered, answered.published)
        with pytest.raises(WarehouseError, match="was restored from a copy while this command was running"):
            running.set_analysis_count(3)
        assert open_again(answered).analysis_count() == 8

    def test_it_waits_for_the_lock(self, answered):
        warehouse = Warehouse.at(answered)
        known = find_copies(warehouse)
        with warehouse.connect(), pytest.raises(WarehouseError, match="another process has held"):
            restore(Warehouse.at(answered), choose_copy(known), known, wait_seconds=0.1)


class TestPause:
    @pytest.fixture
    def restored(self, answered):
        put_back(answered, answered.published)
        return Pipeline(answered, {})

    def test_refinement_by_itself_is_held_back_until_a_person_resumes_it(self, restored, sandbox):
        pipeline = Pipeline(restored.settings, sandbox.environment())
        pipeline.count_consensus()
        request = RefinementRequest(model=MODELS["openai"])
        (reason,) = pipeline.refine_within_cap(request).held_back
        assert "grabient resume" in reason
        assert "was restored from grabient.duckdb" in reason
        assert pipeline.status().complaints == [reason]
        assert sandbox.sandbox.store.batches() == []
        assert pipeline.resume()
        assert not pipeline.resume()
        assert pipeline.refine_within_cap(request).batches.request_count > 0
        assert pipeline.status().spending_pause is None

    def test_what_a_person_requests_goes_on(self, restored, sandbox):
        pipeline = Pipeline(restored.settings, sandbox.environment())
        pipeline.count_consensus()
        assert pipeline.refine(RefinementRequest(model=MODELS["openai"])).batches.request_count > 0

    def test_only_paid_embeddings_are_held_back(self, restored, sandbox):
        pipeline = Pipeline(restored.settings, sandbox.environment())
        held_back = pipeline.embed_palettes("openai/text-embedding-3-small")
        assert held_back.embedded == 0
        assert "grabient resume" in held_back.held_back
        assert pipeline.embed_palettes("local/wordllama-256").embedded > 0
        pipeline.resume()
        assert pipeline.embed_palettes("openai/text-embedding-3-small").embedded > 0
