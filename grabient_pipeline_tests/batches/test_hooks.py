"""Hooks by which another package takes part: a check before each backfill, and a fetcher of its own batches."""

from __future__ import annotations

import pytest

from grabient_pipeline.batches import backfill as backfill_module
from grabient_pipeline.batches import collect as collect_module
from grabient_pipeline.batches.backfill import register_backfill_check
from grabient_pipeline.batches.collect import CollectedBatch, register_fetcher
from grabient_pipeline.errors import SettingsError

MINI = "openai/gpt-4o-mini"
PREFIX = "fake_"
FAKE_BATCH = """
    INSERT INTO tag_batches BY NAME
    SELECT * REPLACE ('fake_1' AS submission, 'fake-batch' AS batch_id, 'completed' AS status) FROM tag_batches
"""


@pytest.fixture
def removable_hooks(monkeypatch):
    """A context that removes the hooks registered inside it."""
    with monkeypatch.context() as patched:
        patched.setattr(backfill_module, "_CHECKS", [*backfill_module._CHECKS])
        patched.setattr(collect_module, "_FETCHERS", {**collect_module._FETCHERS})
        yield patched


def test_a_registered_check_runs_once_before_each_backfill(workbench, removable_hooks):
    checked = []

    def check(workspace, stage):
        checked.append((workspace, stage.name, workbench.provider_request_count()))

    for _ in range(2):
        register_backfill_check(check)
    assert workbench.backfill(MINI, analysis_count=1).request_count == 3
    assert checked == [(workbench.pipeline.workspace, "tagging", 0)]
    removable_hooks.undo()
    workbench.backfill(MINI, analysis_count=2)
    assert len(checked) == 1


def test_a_registered_check_can_refuse_a_backfill(workbench, removable_hooks):
    def check(workspace, stage):
        raise SettingsError("not now")

    before = workbench.ledger()
    register_backfill_check(check)
    with pytest.raises(SettingsError, match="not now"):
        workbench.backfill(MINI, analysis_count=1)
    assert workbench.ledger() == before
    assert not workbench.server.sandbox.requests
    removable_hooks.undo()
    assert workbench.backfill(MINI, analysis_count=1).request_count == 3


def test_a_registered_fetcher_fetches_the_batches_with_its_prefix(workbench, removable_hooks):
    workbench.backfill(MINI, analysis_count=1)
    (ours,) = workbench.rows("SELECT submission FROM tag_batches")[0]
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute(FAKE_BATCH)
    workbench.wait()
    workbench.pipeline.poll()
    fetched = []

    def fetch(workspace, provider, batch):
        fetched.append((workspace, provider.key, batch.submission))
        return lambda: CollectedBatch(batch.submission, "tagging", "openai", "gpt-4o-mini", "completed", {}, {}, 0.0)

    register_fetcher(PREFIX, fetch)
    report = workbench.pipeline.collect()
    assert fetched == [(workbench.pipeline.workspace, "openai", "fake_1")]
    assert {batch.submission for batch in report.batches} == {ours, "fake_1"}
    assert report.failures == {}
    assert workbench.value("SELECT count(*) FROM tag_responses") == 3

    removable_hooks.undo()
    report = workbench.pipeline.collect()
    assert len(fetched) == 1
    assert (report.batches, list(report.failures)) == ((), ["fake_1"])
    assert PREFIX not in collect_module._FETCHERS
