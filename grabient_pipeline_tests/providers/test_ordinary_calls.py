"""Ordinary calls whose answer is neither a completion nor a plain refusal."""

from __future__ import annotations

import pytest

from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import ProviderUncertain
from grabient_pipeline.providers.base import result_rows
from grabient_pipeline.providers.direct import DirectCalls
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline_tests.providers.conftest import each_provider
from grabient_pipeline_tests.providers.go_between import PAGE, json_answer

TEXT = '```json\n{"mood": ["calm"]}\n```'


@pytest.fixture
def open_direct(open_api, go_between, tmp_path):
    """Opens an `Api` whose provider makes ordinary calls through the host between."""
    return lambda key: open_api(key, DirectCalls(open_provider(key, go_between.environment()), tmp_path / "direct", 1))


def rows_of(api, batch_id, folder):
    return list(result_rows(api.provider, api.provider.download(batch_id, folder).files))


def test_an_answer_that_groqs_check_rejects_is_an_answer(open_direct, go_between, tmp_path):
    error = {"code": "json_validate_failed", "message": "no JSON", "failed_generation": TEXT}
    go_between.answer = lambda *_: json_answer({"error": error}, 400)
    api = open_direct("groq")
    batch_id = api.provider.submit(api.submission())
    api.provider.work(batch_id)
    rows = rows_of(api, batch_id, tmp_path)
    assert [(row.outcome, row.text, row.finish_reason) for row in rows] == [
        ("succeeded", TEXT, "json_validate_failed")
    ] * 3
    assert TAGGING.parse(rows[0].text, rows[0].finish_reason).tags is not None
    assert len(go_between.calls) == 3


@each_provider
def test_calls_stop_where_another_host_answers(open_direct, go_between, tmp_path, key):
    """No model was asked, and the other calls would end there too."""
    go_between.answer = lambda *_: PAGE
    api = open_direct(key)
    batch_id = api.provider.submit(api.submission())
    with pytest.raises(ProviderUncertain, match="the answer is not .*'s; is .* right\\?"):
        api.provider.work(batch_id)
    assert len(go_between.calls) == 1
    go_between.answer = lambda *_: None
    api.provider.work(batch_id)
    assert [row.outcome for row in rows_of(api, batch_id, tmp_path)] == ["succeeded"] * 3
