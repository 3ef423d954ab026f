"""The list of batches says the same about a batch as asking for it."""

from __future__ import annotations

import dataclasses
import time

import pytest

from grabient_pipeline.errors import ProviderError
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline.providers.transport.rows import find_entries
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline_tests.providers.conftest import Api, each_provider


@pytest.fixture(scope="module")
def slow_server():
    """Its batches end only when they are told to."""
    with SandboxServer(batch_seconds=3600) as running:
        yield running


@pytest.fixture
def open_slow(slow_server, texts, tmp_path):
    yield lambda key: Api(slow_server, open_provider(key, slow_server.environment()), texts, tmp_path)
    slow_server.sandbox.forget()


def submit(api, count):
    return [api.provider.submit(api.submission()) for _ in range(count)]


def end(api, batch_id):
    store = api.server.sandbox.store
    batch = store.batch(api.provider.key, batch_id.removeprefix("batches/"))
    while batch.outcome is None and not batch.problems:
        time.sleep(0.005)
    store.end(batch, time.time())


@each_provider
class TestEveryProvider:
    def test_running_batches(self, open_slow, key):
        api = open_slow(key)
        batches = submit(api, 3)
        listed = dict(api.provider.list_states(batches[:2]))
        assert listed.keys() == set(batches[:2])
        for batch_id, state in listed.items():
            polled = api.provider.poll(batch_id)
            assert (state.status, state.provider_status) == (polled.status, polled.provider_status)

    def test_ended_batches_are_listed_as_they_are_or_not_at_all(self, open_slow, key):
        api = open_slow(key)
        batches = submit(api, 2)
        end(api, batches[0])
        listed = dict(api.provider.list_states(batches))
        assert batches[1] in listed
        if key == "google":
            assert batches[0] not in listed
        else:
            assert dataclasses.asdict(listed[batches[0]]) == dataclasses.asdict(api.provider.poll(batches[0]))

    @pytest.mark.parametrize("fault", ["short_pages", "empty_page"])
    def test_odd_pages(self, open_slow, key, fault):
        api = open_slow(key)
        batches = submit(api, 4)
        api.arm("short_pages", size=2)
        if fault == "empty_page":
            api.arm("empty_page")
        assert dict(api.provider.list_states(batches)).keys() == set(batches)

    def test_unknown_ids_are_not_listed(self, open_slow, key):
        api = open_slow(key)
        submit(api, 1)
        assert list(api.provider.list_states(["batches/nobody", "batch_nobody", ""])) == []

    def test_no_ids(self, open_slow, key):
        assert list(open_slow(key).provider.list_states([])) == []

    def test_a_late_listing_leaves_batches_out(self, open_slow, key):
        api = open_slow(key)
        batches = submit(api, 2)
        api.arm("listing_lag", seconds=60)
        assert list(api.provider.list_states(batches)) == []

    def test_an_error_is_the_providers(self, open_slow, key):
        api = open_slow(key)
        submit(api, 1)
        api.arm("down", status=400, calls="reading")
        with pytest.raises(ProviderError, match="asking for the list of batches"):
            list(api.provider.list_states(["x"]))

    def test_one_page_answers_for_a_hundred(self, open_slow, key):
        api = open_slow(key)
        batches = submit(api, 60)
        before = len(api.server.sandbox.requests)
        assert len(list(api.provider.list_states(batches))) == 60
        assert len(api.server.sandbox.requests) - before == 1


class TestFindEntries:
    def test_each_id_once(self):
        entries = [{"id": "a"}, {"id": "a"}, {"id": "b"}]
        assert [name for name, _ in find_entries(iter(entries), "id", {"a", "b"})] == ["a", "b"]

    def test_odd_entries(self):
        entries = [{}, {"id": None}, {"id": ["a"]}, {"id": "a"}]
        assert [name for name, _ in find_entries(iter(entries), "id", {"a"})] == ["a"]

    def test_it_ends_when_all_are_found(self):
        entries = iter([{"id": "a"}, {"id": "b"}])
        assert len(list(find_entries(entries, "id", {"a"}))) == 1
        assert next(entries) == {"id": "b"}

    def test_it_gives_up_after_many_others(self):
        entries = ({"id": str(number)} for number in range(10_000))
        assert [name for name, _ in find_entries(entries, "id", {"3", "9000"})] == ["3"]
        assert next(entries) == {"id": "504"}
