"""The ledger outlives its file: no command begins a new one in its place, or replaces a newer copy by an older one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from grabient_pipeline.defs.asset_checks import backup_is_recent, no_model_paused, published_copy_current
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.defs.sensors import poll_batches
from grabient_pipeline.errors import WarehouseError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse.copies import inspect_copy
from grabient_pipeline.warehouse.restore import back_up
from grabient_pipeline_tests.warehouse.conftest import (
    LOSSES,
    blocks_of,
    count_answers,
    damage_block,
    lose,
    open_again,
)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if path.name != "warehouse.lock"
    }


def identity(path: Path):
    copy = inspect_copy(path)
    assert copy is not None
    return copy.ledger_id, copy.revision


STEPS: dict[str, Callable[[Pipeline], object]] = {
    "status": lambda pipeline: pipeline.status(),
    "plan": lambda pipeline: pipeline.plan(),
    "collect": lambda pipeline: pipeline.collect(),
    "poll": lambda pipeline: pipeline.poll(),
    "consensus": lambda pipeline: pipeline.count_consensus(),
    "gallery": lambda pipeline: pipeline.build_gallery(),
    "import": lambda pipeline: pipeline.import_palettes(),
    "config": lambda pipeline: pipeline.analysis_count(),
    "prompts": lambda pipeline: pipeline.list_prompts(),
}


class TestLoss:
    @pytest.mark.parametrize("how", LOSSES)
    def test_no_step_begins_a_new_ledger(self, answered, how):
        lose(answered, how)
        before = tree(answered.data_dir)
        for name, step in STEPS.items():
            with pytest.raises(WarehouseError, match="grabient restore") as refused:
                step(open_again(answered))
            assert "\n" not in str(refused.value), name
            assert tree(answered.data_dir) == before, name

    def test_neither_sensor_nor_asset_check_begins_one(self, answered, monkeypatch):
        monkeypatch.setenv("GRABIENT_DATA_DIR", str(answered.data_dir))
        lose(answered, "folder")
        before = tree(answered.data_dir)
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, resources={"pipeline": PipelineResource()})
            with pytest.raises(dg.Failure, match="grabient restore"):
                poll_batches.evaluate_tick(context)
        for check in (published_copy_current, backup_is_recent, no_model_paused):
            result = check(PipelineResource())
            assert result.passed == (check is not published_copy_current)
        assert tree(answered.data_dir) == before

    def test_a_snapshot_alone_shows_that_there_was_a_ledger(self, answered):
        answered.published.rename(answered.data_dir / "elsewhere")
        (answered.data_dir / "backups").mkdir()
        (answered.data_dir / "elsewhere").rename(answered.data_dir / "backups" / "copy.duckdb")
        shutil.rmtree(answered.state_dir)
        with pytest.raises(WarehouseError, match="copy.duckdb is there; nothing was changed. grabient restore"):
            open_again(answered).status()

    def test_without_any_copy_a_new_one_begins(self, tmp_path):
        settings = Settings(tmp_path / "data")
        Pipeline(settings, {}).import_palettes()
        assert identity(settings.published)[1] == 1


class TestDamage:
    def test_no_damaged_block_of_answers_is_published(self, answered):
        """In ten places, each inside a block that holds answers; the header is good."""
        kept = answered.published.read_bytes()
        good = answered.warehouse.read_bytes()
        blocks = blocks_of(answered.warehouse, "tag_responses")
        for number in range(10):
            answered.warehouse.write_bytes(good)
            damage_block(answered.warehouse, blocks[number % len(blocks)], 1000 + 20_000 * number)
            with pytest.raises(WarehouseError, match="is damaged .*grabient restore") as refused:
                open_again(answered).set_analysis_count(3)
            assert "\n" not in str(refused.value)
            assert answered.published.read_bytes() == kept

    def test_damage_that_comes_while_a_process_runs_is_not_published(self, answered):
        pipeline = open_again(answered)
        pipeline.analysis_count()
        kept = answered.published.read_bytes()
        damage_block(answered.warehouse, blocks_of(answered.warehouse, "tag_responses")[0])
        with pytest.raises(WarehouseError, match="is damaged"):
            pipeline.set_analysis_count(3)
        assert answered.published.read_bytes() == kept
        assert not list(answered.state_dir.glob("publishing*"))

    def test_a_damaged_published_copy_is_reported_in_one_line(self, answered):
        answered.published.write_bytes(b"\0" * 8192)
        with pytest.raises(WarehouseError, match="cannot be read .*grabient restore") as refused:
            open_again(answered).status()
        assert "\n" not in str(refused.value)


class TestOlderAndOther:
    def test_the_revision_grows_with_each_publication(self, answered):
        ledger_id, revision = identity(answered.published)
        pipeline = open_again(answered)
        pipeline.set_analysis_count(3)
        assert identity(answered.published) == (ledger_id, revision + 1)
        pipeline.warehouse.publish()
        assert identity(answered.published) == (ledger_id, revision + 1), "nothing has changed"

    def test_an_older_working_database_is_refused(self, answered, tmp_path):
        old = shutil.copy(answered.warehouse, tmp_path / "old.duckdb")
        running = open_again(answered)
        running.set_analysis_count(3)
        kept = answered.published.read_bytes()
        shutil.copy(old, answered.warehouse)
        # A new process, and one that has checked the file before.
        for pipeline in (open_again(answered), running):
            with pytest.raises(WarehouseError, match="is older .*grabient restore"):
                pipeline.set_analysis_count(4)
        assert answered.published.read_bytes() == kept

    def test_a_snapshot_that_is_ahead_is_enough(self, answered, tmp_path):
        old = shutil.copy(answered.warehouse, tmp_path / "old.duckdb")
        pipeline = open_again(answered)
        pipeline.set_analysis_count(3)
        back_up(pipeline.warehouse, pipeline.warehouse.backups)
        answered.published.unlink()
        shutil.copy(old, answered.warehouse)
        with pytest.raises(WarehouseError, match="is older .*backups.*grabient restore"):
            open_again(answered).status()
        assert not answered.published.exists()

    def test_another_ledger_does_not_replace_the_copy(self, answered, imported):
        kept = count_answers(answered)
        shutil.copy(Settings(imported).warehouse, answered.warehouse)
        pipeline = open_again(answered)
        with pipeline.warehouse._lock(1):
            connection = pipeline.warehouse._attached()
            connection.execute("UPDATE config SET ledger_id = 'other'")
            pipeline.warehouse._detach(connection)
        with pytest.raises(WarehouseError, match="is a copy of the ledger"):
            open_again(answered).status()
        assert count_answers(answered) == kept

    def test_two_ledgers_have_two_ids(self, tmp_path):
        settings = [Settings(tmp_path / name) for name in "ab"]
        for each in settings:
            open_again(each).warehouse.publish()
        assert len({identity(each.published)[0] for each in settings}) == 2
