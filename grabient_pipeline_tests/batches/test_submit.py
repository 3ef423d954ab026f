"""Submitting: a batch that may exist stays reserved, and one that cannot exist is released."""

from __future__ import annotations

import pytest

from grabient_pipeline.batches import submit
from grabient_pipeline.batches.request_file import RequestTemplate
from grabient_pipeline.errors import WarehouseBusy
from grabient_pipeline.providers.base import Route

MINI = "openai/gpt-4o-mini"
NANO = "openai/gpt-5-nano"
HAIKU = "anthropic/claude-3-5-haiku-20241022"
OSS = "groq/openai/gpt-oss-20b"
FLASH = "google/gemini-2.5-flash-lite"


class TestUncertain:
    @pytest.mark.parametrize("model", [MINI, HAIKU, OSS, FLASH])
    def test_a_batch_that_may_exist_stays_reserved_and_is_not_submitted_again(self, workbench, model):
        workbench.arm("create_then_500")
        report = workbench.backfill(model, analysis_count=1)
        workbench.disarm()
        assert report.request_count == 0
        assert "the batch may exist" in report.failures[Route(model.partition("/")[0])]
        ((status, batch_id, error),) = workbench.rows("SELECT status, batch_id, error FROM tag_batches")
        assert (status, batch_id) == ("reserved", None)
        assert "HTTP 500" in error
        assert workbench.states() == {"in_flight": 3}
        assert workbench.value("SELECT count(*) FROM request_claims") == 3
        assert workbench.backfill(model, analysis_count=1).request_count == 0
        assert (workbench.creations(), workbench.provider_request_count()) == (1, 3)
        (waiting,) = workbench.pipeline.status().open_batches
        assert (waiting.status, waiting.error) == ("reserved", error)

    def test_a_batch_that_could_not_be_recorded_stays_reserved(self, workbench, monkeypatch):
        """The provider has it and will bill it, so its requests must not be submitted again."""

        def fail(*_):
            raise WarehouseBusy("the database is busy")

        with monkeypatch.context() as patched:
            patched.setattr(submit.ledger, "record_submitted", fail)
            with pytest.raises(WarehouseBusy):
                workbench.backfill(MINI, NANO, analysis_count=1)
        made = {batch.custom_id_prefix[:16] for batch in workbench.provider_batches()}
        assert len(made) == 1
        for submission in made:
            assert workbench.value("SELECT status FROM tag_batches WHERE submission = $1", [submission]) == "reserved"
        # Nothing is reserved that is not about to be sent.
        assert workbench.value("SELECT count(*) FROM tag_batches") == 1
        assert workbench.backfill(MINI, NANO, analysis_count=1).request_count == 3
        assert workbench.provider_request_count() == 6

    def test_a_file_that_cannot_be_written_releases_its_batch(self, workbench, monkeypatch):
        """Nothing was sent, so no provider has the batch."""

        def fail(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(RequestTemplate, "write", fail)
            report = workbench.backfill(MINI, NANO, OSS, analysis_count=1)
        assert all("nothing was sent" in reason and "No space left" in reason for reason in report.failures.values())
        assert set(report.failures) == {Route("openai"), Route("groq")}
        assert workbench.provider_request_count() == 0
        assert workbench.rows("SELECT DISTINCT status FROM tag_batches") == [("released",)]
        assert workbench.backfill(MINI, NANO, OSS, analysis_count=1).request_count == 9


def test_the_request_files_are_deleted_afterwards(workbench):
    workbench.arm("refuse", "openai", times=1)
    workbench.backfill(MINI, OSS, HAIKU, analysis_count=1)
    assert list(workbench.settings.spool_dir.iterdir()) == []
