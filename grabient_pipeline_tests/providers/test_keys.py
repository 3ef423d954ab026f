"""No error message contains a key."""

from __future__ import annotations

import pytest

from grabient_pipeline.errors import ProviderRefused, SettingsError
from grabient_pipeline.providers.base import LookupRequest
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline_tests.catalogue import KEY_VARIABLES
from grabient_pipeline_tests.providers.conftest import LONG_AGO, each_provider

SECRET = "distinctive-Pr1vate-k3y-0123456789"


def traceback_text(error):
    """Return the message and everything that a traceback would show with it."""
    shown_text = []
    while error is not None:
        shown_text += [str(error), repr(error), repr(getattr(error, "__notes__", ""))]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(shown_text)


class TestKeys:
    @each_provider
    def test_no_error_shows_the_key(self, open_api, server, tmp_path, key):
        provider = open_provider(key, {**server.environment(), KEY_VARIABLES[key]: SECRET})
        api = open_api(key, provider)
        batch_id = "batches/none" if key == "google" else "none"
        calls = [
            provider.check,
            lambda: provider.submit(api.submission()),
            lambda: provider.poll(batch_id),
            lambda: provider.download(batch_id, tmp_path),
            lambda: provider.cancel(batch_id),
            lambda: provider.find(LookupRequest("token", LONG_AGO, 3)),
        ]
        for call in calls:
            with pytest.raises(ProviderRefused) as refused:
                call()
            assert SECRET not in traceback_text(refused.value)

    @each_provider
    def test_a_key_in_the_message_of_a_provider_is_redacted(self, open_api, server, key):
        """Also where the message is truncated within the key."""
        secret = f"sandbox-{SECRET}"
        provider = open_provider(key, {**server.environment(), KEY_VARIABLES[key]: secret})
        api = open_api(key, provider)
        for padding in (0, 255, 262, 270, 280):
            api.arm("refuse", times=1, status=401, message=f"{'x' * padding} your key {secret} is wrong")
            with pytest.raises(ProviderRefused) as refused:
                provider.submit(api.submission())
            shown_text = traceback_text(refused.value)
            assert not any(secret[start : start + 12] in shown_text for start in range(len(secret) - 12))

    @each_provider
    @pytest.mark.parametrize("inserted", ["\n", "\r\n", "\t", "\x00", "\x7f", "é", "\u200b"], ids=repr)
    def test_a_malformed_key_is_rejected_and_not_shown(self, server, key, inserted):
        """HTTP libraries quote a header that they refuse to send."""
        pasted = f"left-{SECRET}{inserted}right-{SECRET}"
        with pytest.raises(SettingsError, match=f"{KEY_VARIABLES[key]} contains .* check that you copied it") as failed:
            open_provider(key, {**server.environment(), KEY_VARIABLES[key]: pasted})
        assert SECRET not in traceback_text(failed.value)
