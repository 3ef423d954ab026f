"""A provider whose clock is wrong: every time that it states is off, and its batches go on as usual."""

import datetime as dt
import time
from email.utils import parsedate_to_datetime

import httpx
import pytest

PROVIDERS = ["anthropic", "openai", "groq", "google"]


def times_in(document):
    """Return all times of a document as Unix seconds, in their order."""
    if isinstance(document, list):
        return [moment for each in document for moment in times_in(each)]
    if not isinstance(document, dict):
        return []
    found = []
    for name, value in document.items():
        if name.endswith(("_at", "Time")) and value is not None:
            found.append(value if isinstance(value, int) else dt.datetime.fromisoformat(value).timestamp())
        else:
            found += times_in(value)
    return found


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("seconds", [-7200, 5400])
def test_the_times_in_documents_can_be_off(bench, provider, seconds):
    batch_id = bench.id_of(provider, bench.ended(provider))
    paths = [bench.batch_path(provider, batch_id), "/messages/batches" if provider == "anthropic" else "/batches"]
    if provider != "anthropic":
        paths.append("/files")
    right = [times_in(bench.get(provider, path).json()) for path in paths]
    bench.arm("skewed_clock", provider, seconds=seconds)
    wrong = [times_in(bench.get(provider, path).json()) for path in paths]
    assert wrong == [pytest.approx([moment + seconds for moment in found], abs=1e-5) for found in right]
    assert all(right)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_date_header_can_be_off(bench, provider):
    batch = bench.ended(provider)
    bench.arm("skewed_clock", provider, times=1, seconds=-7200)
    # A document, an error, and a file, all of which leave the fault armed.
    for response in (
        bench.get(provider, bench.batch_path(provider, bench.id_of(provider, batch))),
        bench.get(provider, bench.batch_path(provider, "unknown")),
        bench.download(provider, batch),
    ):
        assert seconds_late(response, "date") == pytest.approx(-7200, abs=5)
    assert seconds_late(response, "last-modified") == pytest.approx(-7200, abs=15)


def seconds_late(response, header):
    (value,) = response.headers.get_list(header)
    return parsedate_to_datetime(value).timestamp() - time.time()


def test_other_clocks_stay_right(bench):
    bench.arm("skewed_clock", "openai")
    assert seconds_late(bench.get("groq", "/batches"), "date") == pytest.approx(0, abs=5)
    assert seconds_late(httpx.get(bench.server.url + "/_sandbox/calls"), "date") == pytest.approx(0, abs=5)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_batches_end_by_the_real_clock(bench, provider, seconds):
    bench.arm("skewed_clock", provider, seconds=seconds)
    assert len(bench.results(provider, bench.ended(provider))) == 4


@pytest.mark.parametrize("provider", ["openai", "groq"])
def test_the_time_of_an_ordinary_answer_can_be_off(bench, provider):
    bench.arm("skewed_clock", provider, seconds=3600)
    model = {"openai": "gpt-4o-mini", "groq": "openai/gpt-oss-20b"}[provider]
    messages = [{"role": "user", "content": "Tags for #0b3d1e"}]
    completion = getattr(bench, provider).chat.completions.create(model=model, messages=messages)
    assert completion.created - time.time() == pytest.approx(3600, abs=5)
