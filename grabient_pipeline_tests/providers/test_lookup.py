"""A batch whose creation was not answered is found by its submission, or ruled out."""

from __future__ import annotations

import datetime as dt

import pytest
from anthropic.types.messages import MessageBatch

from grabient_pipeline.providers import anthropic as anthropic_module
from grabient_pipeline_tests.providers.conftest import each_provider


class TestLookup:
    @each_provider
    def test_a_batch_is_found_by_its_submission(self, open_api, key):
        api = open_api(key)
        submission = api.submission()
        batch_id = api.provider.submit(submission)
        api.wait(batch_id)
        api.wait(api.provider.submit(api.submission()))
        found = api.find(submission.submission, dt.datetime.now(dt.UTC))
        assert (found.batch_id, found.thorough) == (batch_id, True)
        assert found.evidence

    @each_provider
    def test_a_submission_that_was_never_sent_is_not_found(self, open_api, key):
        api = open_api(key)
        api.wait(api.provider.submit(api.submission()))
        found = api.find("neverthere000000")
        assert (found.batch_id, found.thorough, found.candidates) == (None, True, ())

    @each_provider
    def test_an_older_batch_is_found_if_the_time_of_its_reservation_is_not_known(self, open_api, key):
        api = open_api(key)
        submission = api.submission()
        batch_id = api.provider.submit(submission)
        api.wait(batch_id)
        api.batches_of(submission.submission)[0].created -= dt.timedelta(days=3).total_seconds()
        found = api.find(submission.submission, since=None)
        assert (found.batch_id, found.thorough) == (batch_id, True)
        assert "batches ever" in api.find("neverthere000000", since=None).evidence

    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_a_running_batch_is_found(self, open_api, key):
        api = open_api(key)
        api.arm("slow_batch", times=1)
        submission = api.submission()
        batch_id = api.provider.submit(submission)
        assert api.find(submission.submission).batch_id == batch_id
        api.provider.cancel(batch_id)

    def test_a_running_anthropic_batch_is_only_a_candidate(self, open_api):
        """Only the custom ids identify a submission, and they can be read only after the batch has ended."""
        api = open_api("anthropic")
        api.arm("slow_batch", times=1)
        submission = api.submission()
        batch_id = api.provider.submit(submission)
        found = api.find(submission.submission)
        assert (found.batch_id, found.thorough, found.candidates) == (None, False, (batch_id,))
        api.provider.cancel(batch_id)
        api.wait(batch_id)
        found = api.find(submission.submission)
        assert (found.batch_id, found.thorough) == (batch_id, True)

    @pytest.mark.parametrize(
        "lookup", [{"requests": 4}, {"known": True}], ids=["another number of requests", "a known batch"]
    )
    def test_an_anthropic_batch_of_another_submission_is_no_candidate(self, open_api, lookup):
        api = open_api("anthropic")
        api.arm("slow_batch", times=1)
        batch_id = api.provider.submit(api.submission())
        found = api.find("neverthere000000", **({"known": [batch_id]} if "known" in lookup else lookup))
        api.provider.cancel(batch_id)
        assert batch_id not in found.candidates

    @pytest.mark.parametrize(
        ("counts", "expected"),
        [
            ({"processing": 3, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0}, 4),
            ({"processing": "3", "succeeded": "1", "errored": "0", "canceled": "0", "expired": "0"}, 4),
            ({"processing": 3}, None),
            (None, None),
        ],
        ids=["numbers", "strings", "not all", "none"],
    )
    def test_incomplete_anthropic_counts_are_unknown(self, counts, expected):
        """A wrong number would rule out our own batch, and it would be paid for again."""
        batch = MessageBatch.construct(request_counts=counts)
        assert anthropic_module._request_count(batch) == expected

    def test_unreadable_anthropic_results_do_not_rule_out_a_batch(self, open_api):
        """If our own batch were ruled out, it would be paid for again."""
        api = open_api("anthropic")
        submission = api.submission()
        batch_id = api.provider.submit(submission)
        api.wait(batch_id)
        ours = api.batches_of(submission.submission)[0]
        path = api.server.sandbox.store.content("anthropic", ours.outcome.output_file)
        content = path.read_bytes()
        path.write_bytes(b'{"custom_id": "half a r\n' + content)
        found = api.find(submission.submission)
        path.write_bytes(content)
        assert found.batch_id is None
        assert not found.thorough
        assert batch_id in found.candidates

    def test_an_older_google_batch_is_found_whose_name_is_the_submission_alone(self, open_api):
        api = open_api("google")
        submission = api.submission()
        batch_id = api.provider.submit(submission)
        api.batches_of(submission.submission)[0].details["display_name"] = submission.submission
        assert api.find(submission.submission).batch_id == batch_id

    @pytest.mark.parametrize("key", ["openai", "groq"])
    def test_a_batch_without_metadata_is_found_by_the_name_of_its_input_file(self, open_api, key):
        api = open_api(key)
        submission = api.submission()
        batch_id = api.provider.submit(submission)
        api.batches_of(submission.submission)[0].details["metadata"] = {}
        assert api.find(submission.submission).batch_id == batch_id
