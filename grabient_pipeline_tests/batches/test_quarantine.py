"""Requests that fail too often are quarantined until they are released."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grabient_pipeline.batches import collect as collect_module
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.tagging import ParsedAnswer
from grabient_pipeline_tests.catalogue import MODELS

PALETTES = 3


class TestQuarantine:
    @pytest.fixture
    def failing(self, workbench, monkeypatch):
        """All requests of a model have failed three times."""
        useless = replace(TAGGING, parse=lambda *_: ParsedAnswer(None, "refused: no"))
        with monkeypatch.context() as patched:
            patched.setitem(collect_module.STAGES, "tagging", useless)
            for _ in range(3):
                workbench.backfill(MODELS["openai"], analysis_count=1)
                workbench.settle()
        return workbench

    def test_a_request_is_quarantined_after_three_failures(self, failing):
        assert failing.backfill(MODELS["openai"], analysis_count=1).request_count == 0
        (entry,) = failing.pipeline.quarantined()
        assert (entry.stage, entry.provider, entry.reason, entry.requests) == ("tagging", "openai", "refused", PALETTES)
        assert failing.pipeline.status().resting_requests == PALETTES

    def test_released_requests_are_submitted_again(self, failing):
        assert failing.pipeline.release("openai/gpt-5-nano") == 0
        assert failing.pipeline.release("openai/gpt-4o-mini") == PALETTES
        assert failing.pipeline.quarantined() == []
        assert failing.backfill(MODELS["openai"], analysis_count=1).request_count == PALETTES
        assert failing.value("SELECT max(attempt) FROM tag_requests") == 4

    def test_releasing_keeps_the_responses(self, failing):
        before = failing.rows("FROM tag_responses ORDER BY ALL")
        failing.pipeline.release()
        assert failing.rows("FROM tag_responses ORDER BY ALL") == before
        assert failing.value("SELECT count(*) FROM palette_tags WHERE error = 'refused: no'") == PALETTES
