"""A provider's listing says of each batch whose it is, as far as that is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from grabient_pipeline.batches.custom_ids import CustomIds, new_submission
from grabient_pipeline.batches.request_file import RequestTemplate
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import ProviderError
from grabient_pipeline.providers.base import BatchIdentity
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline_tests.providers.conftest import LONG_AGO, each_provider
from grabient_pipeline_tests.providers.go_between import Answer

NAMED = pytest.mark.parametrize("key", ["openai", "groq", "google"])
IDENTITY = BatchIdentity("abcdefgh234567ij", "k3x9a", "refinement", "groq/openai/gpt-oss-20b", "0123456789ab", 12)


def submit_marked(api):
    """Submit a batch with custom ids that say what it is about; return its identity and id."""
    submission = api.submission()
    identity = replace(submission.identity, submission=new_submission())
    ids = CustomIds.of(identity, [f"{row:016d}" for row in range(3)], [None] * 3)
    model = load_catalogue().model(identity.model)
    requests = list(zip(ids.render(range(3), [0] * 3), api.texts, strict=True))
    RequestTemplate.of(api.provider, model, TAGGING.payload).write(submission.file, requests, api.texts)
    return identity, api.provider.submit(replace(submission, identity=identity))


def listed(api, since=None, known=()):
    return {batch.batch_id: batch for batch in api.provider.list_batches(since, frozenset(known))}


class TestListing:
    @each_provider
    def test_an_ended_batch_says_what_it_is_about(self, open_api, key):
        api = open_api(key)
        identity, batch_id = submit_marked(api)
        api.wait(batch_id)
        batch = listed(api)[batch_id]
        assert not batch.is_unreadable
        assert abs(batch.created_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
        if key == "anthropic":
            assert batch.custom_id.startswith(f"{identity.submission}_ledge_t00_")
        else:
            assert replace(batch.identity, request_count=3) == identity
        assert batch.request_count == 3

    @NAMED
    def test_a_running_batch_says_it_as_well(self, open_api, key):
        api = open_api(key)
        api.arm("slow_batch", times=1)
        identity, batch_id = submit_marked(api)
        assert replace(listed(api)[batch_id].identity, request_count=3) == identity
        api.provider.cancel(batch_id)

    def test_a_running_anthropic_batch_says_nothing(self, open_api):
        api = open_api("anthropic")
        api.arm("slow_batch", times=1)
        _, batch_id = submit_marked(api)
        batch = listed(api)[batch_id]
        assert (batch.identity, batch.custom_id, batch.is_unreadable) == (None, None, True)

    @each_provider
    def test_known_and_older_batches_are_left_out(self, open_api, key):
        api = open_api(key)
        identity, batch_id = submit_marked(api)
        api.wait(batch_id)
        assert batch_id not in listed(api, known=[batch_id])
        api.batches_of(identity.submission)[0].created = LONG_AGO.timestamp()
        assert batch_id not in listed(api, since=dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
        assert batch_id in listed(api, since=None)

    @each_provider
    def test_an_empty_response_is_no_list_without_batches(self, open_api, go_between, key):
        go_between.answer = lambda method, path: Answer(200, {"Content-Type": "application/json"}, b"")
        api = open_api(key, open_provider(key, go_between.environment()))
        with pytest.raises(ProviderError):
            listed(api)
        with pytest.raises(ProviderError):
            api.find("neverthere000000")


class TestIdentity:
    def test_metadata_and_title_are_read_back(self):
        assert BatchIdentity.from_metadata(IDENTITY.metadata) == IDENTITY
        assert BatchIdentity.from_title(IDENTITY.title, 12) == IDENTITY

    @pytest.mark.parametrize(
        "changes",
        [
            {"submission": "abc"},
            {"ledger": "'; DROP"},
            {"stage": "embedding"},
            {"model": "gpt-4o"},
            {"prompt_version": None},
            {"model": 7},
        ],
    )
    def test_metadata_of_another_form_is_nobodys(self, changes):
        assert BatchIdentity.from_metadata({**IDENTITY.metadata, **changes}) is None
        assert BatchIdentity.from_metadata({"submission": IDENTITY.submission}) is None
        assert BatchIdentity.from_title(f"{IDENTITY.title} more") is None

    def test_a_count_that_is_none_is_left_out(self):
        assert BatchIdentity.from_metadata({**IDENTITY.metadata, "requests": "many"}) == replace(
            IDENTITY, request_count=0
        )
