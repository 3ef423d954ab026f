"""A gateway that replays an earlier response gives a new batch the id of another; neither is taken for the other."""

from __future__ import annotations

import pytest

from grabient_pipeline.providers.base import Route
from grabient_pipeline_tests.catalogue import MODELS

NANO = "openai/gpt-5-nano"
each_provider = pytest.mark.parametrize("key", MODELS)


@each_provider
@pytest.mark.parametrize("created", [False, True], ids=["not created", "created"])
def test_the_creation_is_uncertain_and_the_batch_is_looked_for(workbench, key, created):
    (first,) = workbench.backfill(MODELS[key], analysis_count=1).batches
    workbench.arm("replayed_creation", key, times=1, created=created)
    report = workbench.backfill(MODELS[key], analysis_count=2)
    (second,) = report.batches
    assert second.batch_id is None
    expected = f"the provider answered with the id of batch {first.batch_id}, which the ledger has already"
    assert expected in report.failures[Route(key)]
    assert workbench.rows("SELECT batch_id, status FROM tag_batches ORDER BY created_at") == [
        (first.batch_id, "submitted"),
        (None, "reserved"),
    ]
    workbench.wait()
    reconciled = workbench.pipeline.reconcile(margin_seconds=0)
    assert (len(reconciled.adopted), len(reconciled.released)) == ((1, 0) if created else (0, 1))
    workbench.settle()
    workbench.backfill(MODELS[key], analysis_count=2)
    workbench.settle()
    assert "in_flight" not in workbench.states()
    assert workbench.billed_twice()[key] == 0


def test_the_other_batches_of_a_backfill_go_on(workbench):
    """Two of its batches are answered with the same id: the first one has it."""
    workbench.backfill(MODELS["openai"], analysis_count=1)
    workbench.arm("replayed_creation", "openai", times=1)
    report = workbench.backfill(MODELS["openai"], NANO, MODELS["groq"], analysis_count=2)
    assert [batch.batch_id is None for batch in report.batches].count(True) == 1
    assert workbench.rows("SELECT status, count(*) FROM tag_batches GROUP BY status ORDER BY status") == [
        ("reserved", 1),
        ("submitted", 3),
    ]


def test_two_batches_of_one_backfill_with_the_same_id(workbench):
    workbench.arm("replayed_creation", "openai", times=2)
    report = workbench.backfill(MODELS["openai"], NANO, analysis_count=1)
    first, second = report.batches
    assert first.batch_id
    assert second.batch_id is None
    assert first.batch_id in second.error
