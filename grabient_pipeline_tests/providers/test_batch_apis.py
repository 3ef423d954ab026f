"""The four batch APIs through their real SDKs, on the sandbox: batches from creation to results."""

from __future__ import annotations

import datetime as dt

import pytest

from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import ProviderRefused
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline_tests.providers.conftest import each_provider


@each_provider
def test_a_batch_is_submitted_polled_and_downloaded(open_api, key):
    api = open_api(key)
    api.provider.check()
    submission = api.submission()
    state = api.wait(api.provider.submit(submission))
    assert (state.status, state.completed, state.failed, state.error) == ("completed", 3, state.failed, None)
    assert abs(state.ended_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    rows = api.rows(
        api.batches_of(submission.submission)[0].id
        if key != "google"
        else f"batches/{api.batches_of(submission.submission)[0].id}"
    )
    assert {row.custom_id for row in rows} == {f"{submission.submission}_{row:06d}" for row in range(3)}
    for row in rows:
        assert row.outcome == "succeeded"
        assert TAGGING.parse(row.text, row.finish_reason).tags is not None, row
        assert row.input_tokens > 100
        assert row.output_tokens > 10


@pytest.mark.parametrize("model", load_catalogue().models, ids=lambda model: model.name)
def test_every_model_accepts_its_requests(open_api, model):
    """The sandbox rejects what the real models reject; a bad parameter would show a day later, as failed rows."""
    api = open_api(model.provider)
    batch_id = api.provider.submit(api.submission(model.name))
    state = api.wait(batch_id)
    assert (state.status, state.error) == ("completed", None)
    assert [(row.outcome, row.error) for row in api.rows(batch_id)] == [("succeeded", None)] * 3


@each_provider
def test_a_cancelled_batch_ends_and_returns_its_finished_responses(open_api, key):
    api = open_api(key)
    api.arm("slow_batch", times=1, seconds=0.6)
    submission = api.submission()
    batch_id = api.provider.submit(submission)
    api.provider.cancel(batch_id)
    assert api.wait(batch_id).status == "cancelled"
    rows = api.rows(batch_id)
    if key != "google":  # which returns nothing then
        assert {row.custom_id for row in rows} == {f"{submission.submission}_{row:06d}" for row in range(3)}
        assert {row.outcome for row in rows} <= {"succeeded", "cancelled"}


@each_provider
def test_an_expired_batch_returns_its_finished_responses(open_api, key):
    api = open_api(key)
    api.arm("expire", times=1, share=0.4)
    batch_id = api.provider.submit(api.submission())
    assert api.wait(batch_id).status == "expired"
    outcomes = sorted(row.outcome for row in api.rows(batch_id))
    assert outcomes == ([] if key == "google" else ["expired", "expired", "succeeded"])


class FakeClient:
    """A fake SDK client of the chat providers that returns one batch."""

    def __init__(self, **fields):
        self.fields = fields
        self.batches = self

    def retrieve(self, batch_id):
        return self

    def model_dump(self, warnings):
        return self.fields


class TestStates:
    @pytest.mark.parametrize("key", ["openai", "groq"])
    @pytest.mark.parametrize(
        ("errors", "shown"),
        [
            (None, None),
            ({"object": "list", "data": [{"code": "token_limit_exceeded", "message": "too many"}]},
             "token_limit_exceeded: too many"),
            ([{"code": "a", "message": "one"}, {"message": "two"}], "a: one; two"),
            ({"data": None}, None),
            ({}, None),
            ([None, 7], "unknown error; unknown error"),
        ],
        ids=["none", "an object", "a list", "no data", "empty", "invalid"],
    )  # fmt: skip
    def test_the_errors_of_a_failed_batch_are_read_in_either_format(
        self, opened_providers, monkeypatch, key, errors, shown
    ):
        monkeypatch.setattr(
            opened_providers[key],
            "_client",
            FakeClient(id="b", status="failed", errors=errors, failed_at=1_790_000_000),
        )
        state = opened_providers[key].poll("b")
        assert (state.status, state.error) == ("failed", shown)
        assert state.ended_at == dt.datetime.fromtimestamp(1_790_000_000, dt.UTC)

    @pytest.mark.parametrize("key", ["openai", "groq"])
    def test_a_missing_file_may_be_an_empty_object(self, opened_providers, monkeypatch, key, tmp_path):
        monkeypatch.setattr(
            opened_providers[key],
            "_client",
            FakeClient(id="b", status="completed", output_file_id=None, error_file_id={}),
        )
        assert opened_providers[key].download("b", tmp_path).files == []

    @pytest.mark.parametrize("key", ["openai", "groq"])
    @pytest.mark.parametrize("word", ["validating", "in_progress", "finalizing", "cancelling", "resting\x1b", "", None])
    def test_a_state_that_is_not_final_counts_as_submitted(self, opened_providers, monkeypatch, key, word):
        """An unknown state is kept and shown, never guessed at."""
        monkeypatch.setattr(opened_providers[key], "_client", FakeClient(id="b", status=word))
        state = opened_providers[key].poll("b")
        assert state.status == "submitted"
        assert state.provider_status.isprintable()
        assert state.provider_status.startswith(str(word)[:6])

    @pytest.mark.filterwarnings("ignore:.*is not a valid:UserWarning")
    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("BATCH_STATE_PENDING", "submitted"),
            ("BATCH_STATE_PAUSED", "submitted"),
            ("BATCH_STATE_RESTING", "submitted"),
            ("BATCH_STATE_SUCCEEDED", "completed"),
            ("BATCH_STATE_PARTIALLY_SUCCEEDED", "completed"),
            ("BATCH_STATE_FAILED", "failed"),
            ("BATCH_STATE_CANCELLED", "cancelled"),
            ("BATCH_STATE_EXPIRED", "expired"),
        ],
    )
    def test_google_states_are_translated(self, open_api, monkeypatch, word, status):
        from grabient_pipeline.sandbox.providers.google import operations as operations

        api = open_api("google")
        batch_id = api.provider.submit(api.submission())
        api.wait(batch_id)
        monkeypatch.setattr(operations, "_STATES", dict.fromkeys(operations._STATES, word))
        state = api.provider.poll(batch_id)
        assert state.status == status
        assert state.provider_status == word.removeprefix("BATCH_STATE_")

    def test_the_error_that_googles_sdk_discards_is_read(self, open_api):
        api = open_api("google")
        submission = api.submission()
        submission.file.write_bytes(b"not JSON\n")
        state = api.wait(api.provider.submit(submission))
        assert state.status == "failed"
        assert "Line 1 of the input file is not valid JSON" in state.error

    @each_provider
    def test_an_unknown_batch_is_refused(self, opened_providers, key):
        with pytest.raises(ProviderRefused, match="404"):
            opened_providers[key].poll("batches/none" if key == "google" else "none")
