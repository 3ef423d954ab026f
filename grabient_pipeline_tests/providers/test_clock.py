"""The provider's clock is measured by the `Date` header of its answers."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_pipeline.providers.direct import DirectCalls
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline.providers.transport.clock import Moment, ProviderClock
from grabient_pipeline_tests.providers.conftest import LONG_AGO, each_provider

TWO_HOURS = dt.timedelta(hours=2)


def answer(offset, library=httpx2, **headers):
    """Return an answer of a provider whose clock is off by this much."""
    date = format_datetime(dt.datetime.now(dt.UTC) + offset, usegmt=True)
    return library.Response(200, headers={"date": date, **headers})


def measured(*responses):
    clock = ProviderClock()
    for response in responses:
        clock.measure(response)
    return clock.offset


class TestMeasuring:
    @pytest.mark.parametrize("library", [httpx, httpx2])
    @pytest.mark.parametrize("offset", [-TWO_HOURS, dt.timedelta(0), TWO_HOURS])
    def test_the_offset_is_the_providers_clock_minus_this_one(self, library, offset):
        assert abs(measured(answer(offset, library)) - offset) < dt.timedelta(seconds=2)

    def test_nothing_is_known_before_an_answer(self):
        assert measured() is None

    def test_the_newest_answer_counts(self):
        assert measured(answer(TWO_HOURS), answer(-TWO_HOURS)) < dt.timedelta(0)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"date": ""},
            {"date": "yesterday"},
            {"date": "Mon, 31 Dec 9999 23:59:59 -2359"},
            {"date": "Thu, 01 Jan 1970 00:00:00 GMT"},
            {"date": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"},
        ],
        ids=lambda headers: headers.get("date", "missing"),
    )
    def test_a_missing_or_odd_header_is_ignored(self, headers):
        odd = httpx2.Response(200, headers=headers)
        assert measured(odd) is None
        assert measured(answer(TWO_HOURS), odd) > dt.timedelta(0)

    @pytest.mark.parametrize(("age", "counts"), [("0", True), ("3600", False), ("old", False)])
    def test_an_answer_from_a_cache_is_ignored(self, age, counts):
        assert (measured(answer(-TWO_HOURS, age=age)) is not None) is counts

    @given(date=st.text(st.characters(codec="latin-1")), age=st.text(st.characters(codec="latin-1")))
    def test_any_header_can_be_read(self, date, age):
        headers = [(b"date", date.encode("latin-1")), (b"age", age.encode("latin-1"))]
        measured(httpx2.Response(200, headers=headers))


class TestProviders:
    @each_provider
    def test_every_client_measures_the_clock(self, server, key):
        provider = open_provider(key, server.environment())
        assert provider.clock_offset() is None
        provider.check()
        assert abs(provider.clock_offset()) < dt.timedelta(seconds=3)

    @each_provider
    def test_a_lookup_measures_the_clock(self, open_api, server, key):
        api = open_api(key, open_provider(key, server.environment()))
        api.find("neverthere000000", since=LONG_AGO)
        assert abs(api.provider.clock_offset()) < dt.timedelta(seconds=3)

    def test_googles_clock_is_measured_by_every_kind_of_call(self, open_api, server):
        """It has three clients, and calls that do without the SDK."""
        api = open_api("google", open_provider("google", server.environment()))
        submission = api.submission()
        offsets = []
        batch_id = api.provider.submit(submission)
        offsets.append(api.provider.clock_offset())
        api.wait(batch_id)
        offsets.append(api.provider.clock_offset())
        assert None not in offsets
        assert offsets[0] != offsets[1]

    def test_direct_calls_go_by_this_clock(self, server, tmp_path):
        direct = DirectCalls(open_provider("openai", server.environment()), tmp_path)
        assert direct.clock_offset() == dt.timedelta(0)


class TestMoment:
    def test_it_has_the_time_of_both_clocks(self):
        noon = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
        assert Moment(noon, -TWO_HOURS).at_provider == dt.datetime(2026, 11, 27, 10, tzinfo=dt.UTC)
        assert Moment(noon).at_provider is None

    @pytest.mark.parametrize("seconds", [None, -7200.5])
    def test_it_is_stored_as_seconds(self, seconds):
        assert Moment.measured(LONG_AGO, seconds).offset_seconds == seconds
