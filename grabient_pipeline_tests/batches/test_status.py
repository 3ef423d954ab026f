"""The status shows paid responses that were not stored, and batches past their window."""

from __future__ import annotations

import time

import pytest

from grabient_pipeline_tests.catalogue import MODELS

PALETTES = 3
HOLD = """
import sys
from pathlib import Path
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
with Warehouse.at(Settings(Path(sys.argv[1]))).connect():
    print("holding", flush=True)
    sys.stdin.readline()
"""


class TestPaidAndNotKept:
    def test_it_is_zero_when_every_response_is_stored(self, workbench):
        workbench.backfill(*MODELS.values(), analysis_count=2)
        workbench.settle()
        assert workbench.pipeline.status().paid_and_not_kept == 0

    @pytest.mark.parametrize("key", ["openai", "groq", "anthropic"])
    def test_it_counts_rows_that_the_provider_counted_but_never_returned(self, workbench, key):
        """Shows that the figure is not always 0."""
        workbench.lose_patience()
        workbench.arm("missing_rows", key, count=2)
        workbench.backfill(MODELS[key], analysis_count=1)
        workbench.settle()
        status = workbench.pipeline.status()
        errored = workbench.value("SELECT count(*) FROM tag_responses WHERE outcome = 'errored'")
        assert 0 < status.paid_and_not_kept <= 2
        assert status.paid_and_not_kept + errored >= 2 - errored

    def test_an_unreadable_row_is_stored_and_does_not_count(self, workbench):
        workbench.arm("garbage_rows", "openai", count=2)
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.settle()
        assert workbench.findings() == {"unreadable": 2}
        assert workbench.pipeline.status().paid_and_not_kept == 0

    def test_missing_results_settle_a_batch_only_after_the_retention_period(self, workbench):
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.wait()
        workbench.pipeline.poll()
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET batch_id = 'batch_gone'")
        report = workbench.pipeline.collect()
        assert not report.batches
        assert len(report.failures) == 1, "until the retention period ends they may reappear"
        with workbench.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE tag_batches SET created_at = now() - INTERVAL 31 DAYS")
        report = workbench.pipeline.collect()
        assert len(report.batches) == 1
        assert workbench.findings() == {"missing": PALETTES, "undelivered": 1}
        assert workbench.pipeline.status().paid_and_not_kept == PALETTES


def test_a_batch_past_its_window_is_flagged(workbench):
    workbench.arm("slow_batch")
    workbench.backfill(MODELS["openai"], MODELS["google"], analysis_count=1)
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE tag_batches SET submitted_at = now() - INTERVAL 30 HOURS")
    overdue = {batch.provider: batch.overdue for batch in workbench.pipeline.status().open_batches}
    assert overdue == {"openai": True, "google": False}


def test_it_does_not_wait_for_a_busy_database(workbench, run_python):
    workbench.pipeline.change_panel("set", [MODELS["openai"]])
    holder = run_python(HOLD, workbench.settings.data_dir)
    assert holder.stdout.readline() == "holding\n"
    started = time.monotonic()
    assert workbench.pipeline.status().palettes == PALETTES
    # It waits for 2 s to publish, and others wait for a minute.
    assert time.monotonic() - started < 10
    assert workbench.pipeline.catalogue_findings() == []
