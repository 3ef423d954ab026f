"""Providers whose clock is far from this machine's: no batch is hidden by it, and none is released early."""

from __future__ import annotations

import pytest

from grabient_pipeline_tests.batches.test_reconcile import lose_creation_response, reserve_without_sending
from grabient_pipeline_tests.catalogue import MODELS

each_provider = pytest.mark.parametrize("key", MODELS)
each_skew = pytest.mark.parametrize("seconds", [-7200, 7200], ids=["behind", "ahead"])


@each_provider
@each_skew
def test_a_lost_batch_is_found(workbench, key, seconds):
    workbench.arm("skewed_clock", key, seconds=seconds)
    lose_creation_response(workbench, key)
    assert abs(workbench.value("SELECT clock_offset_seconds FROM tag_batches") - seconds) < 3
    workbench.wait()
    report = workbench.pipeline.reconcile(margin_seconds=0)
    assert (len(report.adopted), report.released) == (1, ())
    assert workbench.backfill(MODELS[key], analysis_count=1).request_count == 0


@each_provider
@each_skew
def test_the_margin_is_kept(workbench, key, seconds):
    workbench.arm("skewed_clock", key, seconds=seconds)
    reserve_without_sending(workbench, key)
    assert not workbench.pipeline.reconcile(margin_seconds=900).released
    assert workbench.pipeline.reconcile(margin_seconds=0).released
