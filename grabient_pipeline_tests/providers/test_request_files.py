"""Uploaded request files do not stay at OpenAI and Groq when they are of no more use."""

from __future__ import annotations

import pytest

from grabient_pipeline.errors import ProviderRefused, ProviderUncertain
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.base import Route
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline.settings import Settings

UPLOADING = ("openai", "groq")
uploading_provider = pytest.mark.parametrize("key", UPLOADING)


def request_files(api, submission):
    """Return the uploaded files of a submission that are at the provider."""
    files = api.server.sandbox.store.files(api.provider.key)
    return [file.id for file in files if file.name == f"{submission.submission}.jsonl"]


def collected_batch(api):
    submission = api.submission()
    batch_id = api.provider.submit(submission)
    api.wait(batch_id)
    assert len(request_files(api, submission)) == 1
    return submission, batch_id


class TestDeletion:
    @uploading_provider
    def test_the_requests_of_a_collected_batch_are_deleted_and_its_results_are_not(self, open_api, key):
        api = open_api(key)
        submission, batch_id = collected_batch(api)
        api.provider.forget(batch_id)
        assert request_files(api, submission) == []
        assert len(api.rows(batch_id)) == 3
        api.provider.forget(batch_id)

    @uploading_provider
    @pytest.mark.parametrize("status", [400, 403, 429])
    def test_the_requests_of_a_refused_batch_are_deleted(self, open_api, key, status):
        api = open_api(key)
        api.arm("refuse", times=1, status=status, message="not today")
        submission = api.submission()
        with pytest.raises(ProviderRefused, match=f"creating the batch failed: HTTP {status}: not today"):
            api.provider.submit(submission)
        assert request_files(api, submission) == []

    @uploading_provider
    @pytest.mark.parametrize("fault", ["create_then_500", "create_then_drop", "drop_then_create"])
    def test_the_requests_of_an_uncertain_batch_stay(self, open_api, key, fault):
        """A batch that exists may still read them."""
        api = open_api(key)
        api.arm(fault, times=1)
        submission = api.submission()
        with pytest.raises(ProviderUncertain):
            api.provider.submit(submission)
        assert len(request_files(api, submission)) == 1

    @uploading_provider
    def test_uploads_without_a_batch_are_deleted_by_their_name(self, open_api, key):
        api = open_api(key)
        other, _ = collected_batch(api)
        submission = api.submission()
        for _ in range(2):
            api.provider._upload(submission)
        assert len(request_files(api, submission)) == 2
        api.provider.discard(submission.submission)
        assert request_files(api, submission) == []
        assert len(request_files(api, other)) == 1

    @uploading_provider
    def test_requests_that_another_program_uploaded_stay(self, open_api, key):
        """Batches of the earlier system can be in the ledger too."""
        api = open_api(key)
        submission, batch_id = collected_batch(api)
        api.batches_of(submission.submission)[0].details["metadata"] = {}
        api.provider.forget(batch_id)
        assert len(request_files(api, submission)) == 1


class TestFailures:
    @uploading_provider
    @pytest.mark.parametrize("calls", ["reading", "cancelling"])
    def test_a_failed_deletion_is_no_error(self, open_api, key, calls):
        api = open_api(key)
        submission, batch_id = collected_batch(api)
        api.arm("down", calls=calls)
        api.provider.forget(batch_id)
        api.provider.discard(submission.submission)
        assert len(request_files(api, submission)) == 1

    @uploading_provider
    def test_a_failed_deletion_does_not_hide_why_the_batch_was_refused(self, open_api, key):
        api = open_api(key)
        api.arm("refuse", times=1, status=403, message="no access")
        api.arm("down", calls="cancelling")
        with pytest.raises(ProviderRefused, match="creating the batch failed: HTTP 403: no access"):
            api.provider.submit(api.submission())

    @pytest.mark.parametrize("key", ["anthropic", "google"])
    def test_other_providers_have_nothing_to_delete(self, open_api, server, key):
        api = open_api(key)
        calls = len(server.sandbox.requests)
        api.provider.forget("none")
        api.provider.discard("none")
        assert len(server.sandbox.requests) == calls


class TestSetting:
    @uploading_provider
    def test_request_files_can_be_kept(self, open_api, server, key):
        api = open_api(key, open_provider(key, server.environment(), keep_request_files=True))
        submission, batch_id = collected_batch(api)
        api.provider.forget(batch_id)
        api.provider.discard(submission.submission)
        api.arm("refuse", times=1, status=400)
        refused = api.submission()
        with pytest.raises(ProviderRefused):
            api.provider.submit(refused)
        assert len(request_files(api, submission)) == len(request_files(api, refused)) == 1

    @pytest.mark.parametrize(("value", "keeps"), [("1", True), ("", False)])
    def test_the_variable_reaches_the_clients(self, server, tmp_path, value, keeps):
        environment = {"GRABIENT_DATA_DIR": str(tmp_path), "GRABIENT_KEEP_REQUEST_FILES": value}
        pipeline = Pipeline(Settings.from_environment(environment), server.environment())
        assert pipeline.workspace.providers.open(Route("openai"))._connection.keep_request_files is keeps
