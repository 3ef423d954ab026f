"""Collecting settles every request of a batch exactly once, whatever the provider returned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grabient_pipeline import pipeline as pipeline_module
from grabient_pipeline.batches import collect as collect_module
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.tagging import ParsedAnswer, Tags

MINI = "openai/gpt-4o-mini"
HAIKU = "anthropic/claude-3-5-haiku-20241022"
LITE = "google/gemini-2.5-flash-lite"
OSS = "groq/openai/gpt-oss-20b"
ALL = (MINI, HAIKU, LITE, OSS)
PALETTES = 3

SETTLED_ONCE = """
    SELECT count(*), count(DISTINCT custom_id) FROM tag_responses
    UNION ALL SELECT count(*), count(*) FROM tag_requests WHERE state <> 'in_flight'
"""


def test_every_request_is_settled(workbench):
    workbench.backfill(*ALL, analysis_count=2)
    report = workbench.settle()
    assert len(report.batches) == 4
    assert not report.failures
    total = PALETTES * 2 * 4
    assert workbench.rows(SETTLED_ONCE) == [(total, total), (total, total)]
    assert workbench.value("SELECT count(*) FROM request_claims") == workbench.states().get("succeeded", 0)
    assert workbench.value("SELECT count(*) FROM tag_batches WHERE collected_at IS NULL") == 0


def test_cost_is_tokens_at_the_batch_price(workbench):
    workbench.backfill(MINI, analysis_count=2)
    workbench.settle()
    # gpt-4o-mini in a batch: $0.075 and $0.30 for a million tokens.
    tokens = "SELECT sum(usage.input_tokens), sum(usage.output_tokens) FROM tag_responses"
    ((tokens_in, tokens_out),) = workbench.rows(tokens)
    expected = pytest.approx((int(tokens_in) * 0.075 + int(tokens_out) * 0.30) / 1e6)
    assert workbench.value("SELECT cost_usd FROM tag_batches") == expected
    assert workbench.value("SELECT sum(cost_usd) FROM palette_tags") == expected


def test_collecting_again_changes_nothing(workbench):
    workbench.backfill(MINI, analysis_count=1)
    workbench.settle()
    before = workbench.rows("FROM tag_batches") + workbench.rows("FROM tag_responses")
    assert workbench.settle().batches == ()
    assert workbench.rows("FROM tag_batches") + workbench.rows("FROM tag_responses") == before


def test_a_batch_that_another_process_has_collected_is_skipped(workbench):
    workbench.backfill(MINI, analysis_count=1)
    workbench.wait()
    workbench.pipeline.poll()
    (batch,) = collect_module.ended_batches(workbench.pipeline.workspace)
    workbench.pipeline.collect()
    workspace = workbench.pipeline.workspace
    assert collect_module.collect_batch(workspace, workspace.providers.open(batch.route), batch) is None
    assert list(workspace.spool.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "kind", "model", "failed"),
    [
        ("missing_rows", "missing", MINI, 2),
        ("duplicate_rows", "duplicate", MINI, 0),
        ("unknown_rows", "unknown", HAIKU, 0),
        ("garbage_rows", "unreadable", MINI, 0),
    ],
)
def test_malformed_rows_are_recorded_and_do_not_affect_the_others(workbench, fault, kind, model, failed):
    workbench.lose_patience()
    workbench.backfill(model, analysis_count=2)
    workbench.arm(fault, count=2)
    workbench.settle()
    assert workbench.findings()[kind] == 2
    states = workbench.states()
    assert sum(states.values()) == PALETTES * 2
    assert "in_flight" not in states
    assert states.get("failed", 0) >= failed


def test_a_missing_response_is_requested_again(workbench):
    workbench.lose_patience()
    workbench.backfill(MINI, analysis_count=1)
    workbench.arm("missing_rows", provider="openai", times=1, count=1)
    workbench.settle()
    failed = workbench.states()["failed"]
    again = workbench.backfill(MINI, analysis_count=1)
    assert again.request_count == failed >= 1
    assert workbench.value("SELECT max(attempt) FROM tag_requests") == 2


@pytest.mark.parametrize("model", [MINI, HAIKU, OSS])
def test_finished_responses_of_an_expired_batch_are_kept_and_the_rest_is_requested_again(workbench, model):
    workbench.arm("expire", share=0.5, times=1)
    workbench.backfill(model, analysis_count=4)
    workbench.settle()
    assert workbench.rows("SELECT status FROM tag_batches") == [("expired",)]
    states = workbench.states()
    assert states["succeeded"] >= 1
    assert states["released"] >= 1
    # Requests that the provider never ran are not failures and have no row of tags.
    answered = "SELECT count(*) FROM tag_responses WHERE outcome NOT IN ('expired', 'cancelled')"
    assert workbench.value("SELECT count(*) FROM palette_tags") == workbench.value(answered)
    again = workbench.backfill(model, analysis_count=4)
    assert again.request_count == states["released"] + states.get("failed", 0)
    workbench.settle()
    assert not any(workbench.billed_twice().values())


def test_an_expired_google_batch_returns_nothing_and_all_its_requests_are_released(workbench):
    workbench.arm("expire", share=0.5, times=1)
    workbench.backfill(LITE, analysis_count=2)
    workbench.settle()
    assert workbench.states() == {"released": PALETTES * 2}
    assert workbench.value("SELECT count(*) FROM request_claims") == 0
    assert workbench.backfill(LITE, analysis_count=2).request_count == PALETTES * 2


@pytest.mark.parametrize("model", ALL)
def test_an_interrupted_download_is_restarted(workbench, model):
    workbench.backfill(model, analysis_count=2)
    workbench.arm("cut_download", times=1, bytes=500)
    report = workbench.settle()
    assert not report.failures
    assert workbench.rows(SETTLED_ONCE) == [(PALETTES * 2, PALETTES * 2)] * 2


def test_a_batch_that_cannot_be_downloaded_is_collected_later(workbench):
    workbench.backfill(MINI, OSS, analysis_count=1)
    workbench.wait()
    workbench.pipeline.poll()
    workbench.arm("down", provider="groq")
    report = workbench.pipeline.collect()
    assert (len(report.batches), len(report.failures)) == (1, 1)
    workbench.disarm()
    assert len(workbench.pipeline.collect().batches) == 1
    assert "in_flight" not in workbench.states()


@pytest.mark.parametrize("model", [MINI, OSS, "google/gemini-2.5-flash-lite"])
def test_a_completed_batch_without_counts_and_files_is_not_settled(workbench, model):
    """Otherwise every response would be settled as missing, and paid for again."""
    provider = model.partition("/")[0]
    workbench.backfill(model, analysis_count=1)
    workbench.wait()
    workbench.arm("no_counts", provider)
    workbench.arm("no_output_file", provider)
    workbench.pipeline.poll()
    report = workbench.pipeline.collect()
    assert not report.batches
    assert not report.failures
    assert "waiting for 3 results: the provider counts nothing" in next(iter(report.waiting.values()))
    assert set(workbench.states()) == {"in_flight"}
    workbench.disarm()
    assert len(workbench.pipeline.collect().batches) == 1
    assert workbench.value("SELECT count(*) FROM tag_responses WHERE outcome = 'missing'") == 0


def test_a_batch_that_fails_as_a_whole_records_the_reason(workbench, monkeypatch):
    # An OpenAI batch whose model does not exist is accepted, and fails when it is validated.
    from grabient_pipeline.providers.openai import OpenAIBatches

    original = OpenAIBatches.request

    def request(model, payload, custom_id, text, picture=None):
        rendered = original(model, payload, custom_id, text, picture)
        return {**rendered, "body": {**rendered["body"], "model": "gpt-99"}}

    monkeypatch.setattr(OpenAIBatches, "request", staticmethod(request))
    workbench.backfill(MINI, analysis_count=1)
    workbench.settle()
    ((status, error),) = workbench.rows("SELECT status, error FROM tag_batches")
    assert status == "failed"
    assert "gpt-99" in error or "model" in error
    assert workbench.states() == {"released": PALETTES}, "what never ran is no failure"
    assert workbench.rows("SELECT count(*) FROM palette_tags") == [(0,)]
    assert workbench.findings() == {}
    assert workbench.pipeline.status().unsuccessful[0].error == error


def test_batches_whose_results_expire_first_are_collected_first(workbench):
    workbench.backfill(*ALL, analysis_count=1)
    workbench.wait()
    workbench.pipeline.poll()
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE tag_batches SET created_at = now() - INTERVAL 20 DAYS WHERE provider = 'google'")
    order = [batch.provider for batch in collect_module.ended_batches(workbench.pipeline.workspace)]
    assert order[0] == "google"
    # Anthropic keeps results for 29 days, the others for 30.
    assert order[1] == "anthropic"


class TestParsing:
    """`palette_tags` is a pure function of the raw responses."""

    def test_every_response_becomes_a_row_with_tags_or_a_reason(self, workbench):
        workbench.backfill(*ALL, analysis_count=3)
        workbench.settle()
        counts = "SELECT count(*), count(*) FILTER ((tags IS NULL) <> (error IS NULL)) FROM palette_tags"
        assert workbench.rows(counts) == [(PALETTES * 3 * 4,) * 2]
        usable = workbench.value("SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL")
        assert workbench.states()["succeeded"] == usable

    def test_an_unusable_response_keeps_its_cost(self, workbench, monkeypatch):
        parse_with(monkeypatch, lambda *_: ParsedAnswer(None, "empty: nothing in it"))
        workbench.backfill(MINI, analysis_count=1)
        workbench.settle()
        rows = workbench.rows("SELECT error, cost_usd > 0, usage.input_tokens > 0 FROM palette_tags")
        assert rows == [("empty: nothing in it", True, True)] * PALETTES

    def test_parsing_again_with_the_same_parser_does_nothing(self, workbench):
        workbench.backfill(MINI, analysis_count=1)
        workbench.settle()
        assert workbench.pipeline.parse_answers().batches == 0

    def test_a_new_parser_version_parses_everything_again(self, workbench, monkeypatch):
        workbench.backfill(MINI, analysis_count=2)
        workbench.settle()
        before = workbench.rows("FROM palette_tags ORDER BY ALL")
        monkeypatch.setattr(pipeline_module, "TAGGING", replace(TAGGING, parser_version=99))
        assert workbench.pipeline.parse_answers().answers == PALETTES * 2
        assert workbench.rows("FROM palette_tags ORDER BY ALL") == before

    def test_a_better_parser_saves_a_second_request(self, workbench, monkeypatch):
        workbench.backfill(MINI, analysis_count=1)
        with monkeypatch.context() as worse:
            parse_with(worse, _parse_as_unusable)
            workbench.settle()
        assert workbench.states() == {"failed": PALETTES}
        assert workbench.value("SELECT count(*) FROM request_claims") == 0
        monkeypatch.setattr(pipeline_module, "TAGGING", replace(TAGGING, parser_version=99))
        usable = workbench.pipeline.parse_answers().usable
        assert usable >= 1
        assert workbench.states().get("succeeded", 0) == usable
        assert workbench.backfill(MINI, analysis_count=1).request_count == PALETTES - usable

    def test_a_second_response_replaces_an_error_and_nothing_replaces_tags(self, workbench, monkeypatch):
        workbench.backfill(MINI, analysis_count=1)
        with monkeypatch.context() as worse:
            parse_with(worse, _parse_as_unusable)
            workbench.settle()
        workbench.backfill(MINI, analysis_count=1)
        with monkeypatch.context() as better:
            parse_with(better, _parse_as_usable)
            workbench.settle()
        assert workbench.rows("SELECT count(*), count(tags) FROM palette_tags") == [(PALETTES, PALETTES)]
        first = workbench.value("SELECT count(*) FROM tag_requests WHERE attempt = 1")
        assert first == PALETTES


def parse_with(monkeypatch, parse):
    """Replace the parser that collecting uses."""
    monkeypatch.setitem(collect_module.STAGES, "tagging", replace(TAGGING, parse=parse))


def _parse_as_unusable(*_):
    return ParsedAnswer(None, "no_json: x")


def _parse_as_usable(*_):
    return ParsedAnswer(Tags(("calm",), (), (), "warm", None, None, None, (), ("sea",)), None)
