"""Refusals are recognised, and those of batches that failed at once are recorded where they are settled."""

from __future__ import annotations

import httpx
import pytest

from grabient_pipeline.batches.ledger import release_reserved
from grabient_pipeline.batches.refusals import Refusal, record_refusal, refusal_of
from grabient_pipeline.batches.room import read_room
from grabient_pipeline.errors import ProviderBusy, ProviderRefused, ProviderUncertain
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.warehouse import transaction
from grabient_pipeline_tests.catalogue import MODELS
from grabient_pipeline_tests.conftest import Workbench, copy_template

LOG = "SELECT kind, named_limit, occupied, size, retry_after_seconds FROM refused_batches"
FULL = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached. Limit: 2,000,000 enqueued tokens."}


def limit(workbench, **document):
    httpx.post(f"{workbench.server.url}/_sandbox/limits", json=document).raise_for_status()


class TestKinds:
    def test_a_full_queue(self):
        full = "Enqueued token limit reached. Limit: 5 enqueued tokens."
        failed = "token_limit_exceeded: Limit: 5 enqueued tokens."
        assert refusal_of(failed) == Refusal(failed, "tokens", 5)
        busy = ProviderBusy("openai", full, 429, 7.5)
        assert refusal_of(busy) == Refusal(f"openai: {full}", "tokens", 5, 7.5)

    def test_a_rate(self):
        busy = ProviderBusy("openai", "too fast", 429, 7.5)
        assert refusal_of(busy) == Refusal("openai: too fast", "rate", None, 7.5)

    def test_another_refusal(self):
        assert refusal_of(ProviderRefused("openai", "no", 400)) == Refusal("openai: no", "other")

    @pytest.mark.parametrize("error", [None, "", "invalid_json_line: x", ProviderUncertain("openai", "lost")])
    def test_anything_else(self, error):
        assert refusal_of(error) is None


class TestRecording:
    @pytest.mark.parametrize(
        ("kind", "held", "size"),
        [("tokens", "tokens", "tokens"), ("requests", 3, 3), ("jobs", 1, 1), ("rate", "tokens", "tokens")],
    )
    def test_how_full_the_queue_was_but_for_this_batch(self, workbench, kind, held, size):
        workbench.arm("slow_batch", "openai")
        for count in (1, 2):
            workbench.backfill(MODELS["openai"], analysis_count=count)
        (_, first), (refused, second) = workbench.rows(
            "SELECT submission, estimated_input_tokens FROM tag_batches ORDER BY created_at"
        )
        with workbench.pipeline.warehouse.connect() as connection, transaction(connection):
            for reason in ("first", "second"):
                record_refusal(connection, refused, Refusal(reason, kind, 9, 2.5))
        expected = (kind, 9, first if held == "tokens" else held, second if size == "tokens" else size, 2.5)
        assert workbench.rows(LOG) == [expected]
        assert workbench.value("SELECT reason FROM refused_batches") == "first"

    def test_it_fits_into_the_transaction_that_releases_a_reservation(self, workbench):
        """Whichever is written first, the batch itself is not counted."""
        workbench.arm("create_then_drop", "anthropic")
        workbench.backfill(MODELS["anthropic"], analysis_count=1)
        ((submission, tokens),) = workbench.rows("SELECT submission, estimated_input_tokens FROM tag_batches")
        with workbench.pipeline.warehouse.connect() as connection:
            record_refusal(connection, submission, Refusal("full", "tokens"))
            release_reserved(connection, submission, "full")
            record_refusal(connection, submission, Refusal("again", "tokens"))
        assert workbench.rows(LOG) == [("tokens", None, 0, tokens, None)]

    def test_an_unknown_batch_is_not_recorded(self, workbench):
        with workbench.pipeline.warehouse.connect() as connection:
            record_refusal(connection, "nothing", Refusal("full", "tokens"))
        assert workbench.rows(LOG) == []


class TestFailedAtOnce:
    @pytest.mark.parametrize("key", ["openai", "groq"])
    def test_a_full_queue_is_recorded(self, workbench, key):
        limit(workbench, provider=key, tokens=10)
        workbench.backfill(MODELS[key], analysis_count=1)
        workbench.settle()
        ((submission, tokens, error),) = workbench.rows(
            "SELECT submission, estimated_input_tokens, error FROM tag_batches"
        )
        assert workbench.rows(LOG) == [("tokens", 10, 0, tokens, None)]
        assert workbench.rows("SELECT submission, reason FROM refused_batches") == [(submission, error)]
        workbench.settle()
        assert len(workbench.rows(LOG)) == 1

    def test_what_others_of_the_ledger_held_is_counted(self, workbench):
        workbench.arm("slow_batch", "openai", times=1)
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.arm("fail_batch", "openai", **FULL)
        workbench.backfill(MODELS["openai"], analysis_count=2)
        workbench.settle()
        first, second = (
            row[0] for row in workbench.rows("SELECT estimated_input_tokens FROM tag_batches ORDER BY created_at")
        )
        assert workbench.rows(LOG) == [("tokens", 2_000_000, first, second, None)]

    def test_what_had_ended_before_the_failure_was_seen_is_counted_too(self, workbench):
        """The queue was full when the batch was created, whatever has ended since."""
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.arm("fail_batch", "openai", times=1, **FULL)
        workbench.backfill(MODELS["openai"], analysis_count=2)
        workbench.rows("UPDATE tag_batches SET submitted_at = submitted_at - INTERVAL 1 HOUR")
        workbench.settle()
        first, second = (
            row[0] for row in workbench.rows("SELECT estimated_input_tokens FROM tag_batches ORDER BY created_at")
        )
        assert workbench.rows(LOG) == [("tokens", 2_000_000, first, second, None)]

    def test_the_next_one_waits(self, workbench):
        limit(workbench, provider="openai", tokens=10)
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.settle()
        with workbench.pipeline.warehouse.connect() as connection:
            model = load_catalogue().model(MODELS["openai"])
            room = read_room(connection, model, unlimited=True, poll_seconds=60)
        assert room.free_tokens == 10
        assert "Enqueued token limit reached" in room.waits_for

    @pytest.mark.parametrize("code", ["billing_hard_limit_reached", "invalid_json_line"])
    def test_another_failure_is_not(self, workbench, code):
        workbench.arm("fail_batch", "openai", code=code, message="x")
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.settle()
        assert workbench.rows(LOG) == []

    def test_a_batch_that_did_its_work_is_not(self, workbench):
        workbench.backfill(MODELS["openai"], analysis_count=1)
        workbench.settle()
        assert workbench.rows(LOG) == []


@pytest.fixture
def limited(tmp_path, imported):
    """A pipeline with the limits of the sandbox's first tier, and batches that do not end by themselves."""
    with SandboxServer(batch_seconds=3600, limits={"tier": 1}) as server:
        yield Workbench(copy_template(imported, tmp_path / "data", sandbox=True), server)


def test_a_tier_that_is_large_enough_refuses_nothing(limited):
    report = limited.backfill(*MODELS.values(), analysis_count=1)
    assert not report.failures
    assert limited.rows(LOG) == []
