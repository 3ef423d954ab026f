"""The four batch APIs through their real SDKs, on the sandbox."""

from __future__ import annotations

import datetime as dt
import secrets
import time

import pytest

from grabient_pipeline.batches.request_file import RequestTemplate, json_text
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.palette import describe_palettes, read_palette
from grabient_pipeline.providers.base import BatchIdentity, LookupRequest, Submission, result_rows
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.sandbox.app import call_of
from grabient_pipeline.sandbox.discovery import PROVIDERS as SANDBOX_PROVIDERS
from grabient_pipeline.tagging import user_message
from grabient_pipeline_tests.catalogue import MODELS, PROVIDERS
from grabient_pipeline_tests.providers.go_between import GoBetween

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
each_provider = pytest.mark.parametrize("key", PROVIDERS)


@pytest.fixture(scope="module")
def server():
    with SandboxServer(batch_seconds=0) as running:
        yield running


@pytest.fixture(scope="module")
def opened_providers(server):
    """One client per provider for all tests: opening them takes longer than using them."""
    return {key: open_provider(key, server.environment()) for key in PROVIDERS}


@pytest.fixture(scope="module")
def texts(sample_rows):
    seeds = [row["seed"] for row in sample_rows[:3]]
    described = describe_palettes([read_palette(seed).canonical_seed for seed in seeds])
    return {
        seed: json_text(user_message(each.colour_data.decode())) for seed, each in zip(seeds, described, strict=True)
    }


class Api:
    """A provider and what tests do with it."""

    def __init__(self, server, provider, texts, folder):
        self.server, self.provider, self.texts, self.folder = server, provider, texts, folder

    def submission(self, model=None):
        name = secrets.token_hex(8)
        model = load_catalogue().model(model or MODELS[self.provider.key])
        file = self.folder / f"{name}.requests"
        requests = [(f"{name}_{row:06d}", seed) for row, seed in enumerate(self.texts)]
        RequestTemplate.of(self.provider, model, TAGGING.payload).write(file, requests, self.texts)
        return Submission(BatchIdentity(name, "ledge", "tagging", model.name, "0123456789ab", 3), model.id, file)

    def arm(self, name, times=None, **parameters):
        self.server.sandbox.faults.arm(name, self.provider.key, times, **parameters)

    def wait(self, batch_id):
        deadline = time.monotonic() + 20
        while (state := self.provider.poll(batch_id)).status == "submitted":
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return state

    def rows(self, batch_id):
        folder = self.folder / secrets.token_hex(4)
        folder.mkdir()
        files = self.provider.download(batch_id, folder).files
        assert sorted(folder.iterdir()) == sorted(files)
        return list(result_rows(self.provider, files))

    def find(self, submission, since=LONG_AGO, requests=3, known=()):
        return self.provider.find(LookupRequest(submission, since, requests, frozenset(known)))

    def batches_of(self, submission):
        """Return the batches of this submission that exist at the provider."""
        return [
            batch for batch in self.server.sandbox.store.batches(self.provider.key)
            if batch.custom_id_prefix.startswith(f"{submission}_")
        ]  # fmt: skip

    def creations(self):
        return sum(
            call["path"].startswith(f"/{self.provider.key}/")
            and call_of(SANDBOX_PROVIDERS[self.provider.key], call["method"], call["path"]) == "creating"
            for call in self.server.sandbox.requests
        )


@pytest.fixture
def go_between(server, monkeypatch):
    """A host between the client and the sandbox; failed transfers are repeated without waiting."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    with GoBetween(server) as between:
        yield between


@pytest.fixture
def open_api(server, opened_providers, texts, tmp_path):
    """Opens an `Api` by the key of its provider; faults are disarmed at the end of the test."""
    yield lambda key, provider=None: Api(server, provider or opened_providers[key], texts, tmp_path)
    server.sandbox.faults.disarm()
