"""A creation is sent once; an error says whether the batch may exist."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace

import pytest

from grabient_pipeline.errors import ProviderBusy, ProviderRefused, ProviderUncertain
from grabient_pipeline.providers.queue_refusals import queue_refusal
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline_tests.providers.conftest import each_provider


class TestCreation:
    @each_provider
    def test_the_callback_runs_right_before_the_creation(self, open_api, key):
        """Before the callback no batch can exist; after it, one may."""
        api = open_api(key)
        creations_before = []
        submission = replace(api.submission(), before_creation=lambda: creations_before.append(api.creations()))
        before = api.creations()
        api.wait(api.provider.submit(submission))
        assert creations_before == [before]
        assert api.creations() == before + 1

    @each_provider
    @pytest.mark.parametrize("fault", ["create_then_500", "create_then_drop", "create_then_timeout"])
    def test_a_lost_response_is_uncertain_and_the_creation_is_not_repeated(
        self, open_api, server, monkeypatch, key, fault
    ):
        """With the SDKs' own retries, one lost response would make two or three paid batches."""
        provider = None
        if fault == "create_then_timeout":
            modules = [sys.modules[part.__module__] for part in type(open_api(key).provider).__mro__]
            patched = [module for module in modules if hasattr(module, "CREATE_TIMEOUT_SECONDS")]
            assert patched
            for module in patched:
                monkeypatch.setattr(module, "CREATE_TIMEOUT_SECONDS", 0.3)
            provider = open_provider(key, server.environment())
        api = open_api(key, provider)
        api.arm(fault, **({"seconds": 1.0} if fault == "create_then_timeout" else {}))
        submission = api.submission()
        before = api.creations()
        with pytest.raises(ProviderUncertain) as uncertain:
            api.provider.submit(submission)
        assert len(api.batches_of(submission.submission)) == 1
        assert api.creations() == before + 1
        assert uncertain.value.provider == key
        assert "\n" not in str(uncertain.value)

    @each_provider
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
    def test_a_server_error_is_uncertain(self, open_api, key, status):
        api = open_api(key)
        api.arm("refuse", times=1, status=status)
        before = api.creations()
        with pytest.raises(ProviderUncertain, match=str(status)):
            api.provider.submit(api.submission())
        assert api.creations() == before + 1

    @each_provider
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429])
    def test_a_refusal_is_certain(self, open_api, key, status):
        api = open_api(key)
        api.arm("refuse", times=1, status=status, message="not today")
        submission = api.submission()
        before = api.creations()
        with pytest.raises(ProviderRefused, match=f"{status}: not today"):
            api.provider.submit(submission)
        assert api.creations() == before + 1
        assert not api.batches_of(submission.submission)

    @each_provider
    @pytest.mark.parametrize("retry_after", [7.0, None])
    def test_a_busy_provider_says_when_to_try_again(self, open_api, key, retry_after):
        api = open_api(key)
        api.arm("refuse", times=1, status=429, message="not now", retry_after=retry_after)
        before = api.creations()
        with pytest.raises(ProviderBusy, match="not now") as busy:
            api.provider.submit(api.submission())
        assert (busy.value.status, busy.value.retry_after_seconds) == (429, retry_after)
        assert api.creations() == before + 1

    @pytest.mark.parametrize(("key", "retry_after"), [("anthropic", 60.0), ("anthropic", 7.0), ("google", 7.0)])
    def test_so_does_a_full_queue(self, open_api, server, key, retry_after):
        api = open_api(key)
        kind = "requests" if key == "anthropic" else "tokens"
        special = {} if retry_after == 60 else {"retry_after": retry_after}
        server.sandbox.queues.limit({"provider": key, kind: 1, **special})
        try:
            with pytest.raises(ProviderBusy) as busy:
                api.provider.submit(api.submission())
        finally:
            server.sandbox.queues.lift()
        assert busy.value.retry_after_seconds == retry_after
        assert queue_refusal(busy.value) is not None

    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_so_does_an_upload_that_comes_too_fast(self, open_api, key):
        api = open_api(key)
        api.arm("rate_limited", times=1, retry_after=7, calls="uploading")
        before = api.creations()
        with pytest.raises(ProviderBusy, match="uploading the requests failed") as busy:
            api.provider.submit(api.submission())
        assert busy.value.retry_after_seconds == 7
        assert api.creations() == before

    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_a_failed_upload_creates_no_batch(self, open_api, monkeypatch, key):
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
        api = open_api(key)
        before = api.creations()
        api.arm("down")
        with pytest.raises(ProviderRefused, match="uploading the requests failed"):
            api.provider.submit(api.submission())
        assert api.creations() == before

    @pytest.mark.parametrize("key", ["openai", "groq", "google"])
    def test_an_upload_is_retried(self, open_api, key):
        api = open_api(key)
        api.arm("down", times=1)
        submission = api.submission()
        api.provider.submit(submission)
        assert len(api.batches_of(submission.submission)) == 1

    def test_an_unavailable_anthropic_is_uncertain(self, open_api):
        api = open_api("anthropic")
        api.arm("down", times=1)
        with pytest.raises(ProviderUncertain, match="503"):
            api.provider.submit(api.submission())


@pytest.fixture(scope="module")
def closed_address():
    """An address at which nothing listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


def environment_at(server, base, **keys):
    environment = server.environment()
    redirected = {name: value.replace(server.url, base) for name, value in environment.items()}
    return {**redirected, **keys}


class TestUnreachable:
    @each_provider
    def test_an_unreachable_provider_has_created_nothing(self, open_api, server, closed_address, monkeypatch, key):
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
        provider = open_provider(key, environment_at(server, closed_address))
        with pytest.raises(ProviderRefused, match="no connection; is the network up") as refused:
            provider.submit(open_api(key, provider).submission())
        assert "\n" not in str(refused.value)
