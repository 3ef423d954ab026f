"""Room in a queue: what is free, what a batch may take, and what has to be waited for."""

from __future__ import annotations

import datetime as dt
import itertools
import time

import pytest

from grabient_pipeline.batches.account_limits import write_figures, write_tier
from grabient_pipeline.batches.room import read_room
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline_tests.conftest import copy_template

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
MINI = load_catalogue().model("openai/gpt-4o-mini")
NANO = load_catalogue().model("openai/gpt-5-nano")
HAIKU = load_catalogue().model("anthropic/claude-haiku-4-5-20251001")
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
POLL_SECONDS = 120


class Desk:
    """A database with batches and refusals written by hand."""

    def __init__(self, warehouse):
        self.warehouse = warehouse
        self._numbers = itertools.count()

    def batch(self, tokens, requests=1, *, model=MINI, status="submitted", access="batch", until=None, stage="tagging"):
        row = {
            "submission": f"s{next(self._numbers)}",
            "stage": stage,
            "provider": model.provider,
            "model": model.id,
            "endpoint": "x",
            "access": access,
            "status": status,
            "request_count": requests,
            "estimated_input_tokens": tokens,
            "estimated_output_tokens": 0,
            "estimated_cost_usd": 0,
            "outstanding_until": until,
            "prompt_version": "v",
            "parameters": "{}",
            "input_usd_per_million": 0,
            "output_usd_per_million": 0,
            "created_at": NOW,
        }
        columns, values = ", ".join(row), ", ".join("?" for _ in row)
        with self.warehouse.connect() as connection:
            connection.execute(f"INSERT INTO tag_batches ({columns}) VALUES ({values})", list(row.values()))  # noqa: S608

    def refuse(self, kind, occupied, size, *, named=None, ago=dt.timedelta(0), model=MINI, retry_after=None):
        row = [f"r{next(self._numbers)}", model.provider, model.id, kind, named, occupied, size, retry_after]
        with self.warehouse.connect() as connection:
            connection.execute(
                "INSERT INTO refused_batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'The queue is\nfull.', ?)",
                [*row, NOW - ago],
            )

    def room(self, model=MINI, *, unlimited=False, now=NOW):
        with self.warehouse.connect() as connection:
            return read_room(connection, model, unlimited=unlimited, poll_seconds=POLL_SECONDS, now=now)


@pytest.fixture
def desk(tmp_path, blank):
    return Desk(Pipeline(copy_template(blank, tmp_path / "data"), {}).warehouse)


def waits(desk, model=MINI, now=NOW):
    """Return how long from now the model waits."""
    until = desk.room(model, now=now).waits_until
    return until - now if until else None


class TestOccupied:
    def test_an_empty_queue(self, desk):
        room = desk.room()
        assert room.is_idle
        assert (room.free_tokens, room.free_requests, room.free_jobs) == (2_000_000, None, None)
        assert (room.piece_tokens, room.piece_requests) == (500_000, None)
        assert (room.waits_until, room.waits_for, room.is_hopeless) == (None, None, False)

    def test_what_the_provider_may_still_hold(self, desk):
        for status in ("reserved", "submitted"):
            desk.batch(100, 2, status=status)
        desk.batch(100, 2, status="submitted", stage="refinement")
        desk.batch(100, 2, status="abandoned", until=NOW + MINUTE)
        room = desk.room()
        assert (room.occupied.tokens, room.occupied.requests, room.occupied.jobs) == (400, 8, 4)
        assert room.free_tokens == 2_000_000 - 400
        assert not room.is_idle

    def test_what_it_does_not_hold(self, desk):
        for status in ("completed", "failed", "expired", "cancelled", "released"):
            desk.batch(100, status=status)
        desk.batch(100, status="abandoned", until=NOW - MINUTE)
        desk.batch(100, access="direct")
        assert desk.room().occupied.jobs == 0
        assert desk.room().is_idle

    def test_tokens_are_of_the_model_and_the_rest_of_the_account(self, desk):
        desk.batch(100, 2, model=NANO)
        desk.batch(100, 2, model=HAIKU)
        room = desk.room()
        assert (room.occupied.tokens, room.occupied.requests, room.occupied.jobs) == (0, 2, 1)
        assert room.is_idle
        assert desk.room(HAIKU).free_requests == 199_998
        assert desk.room(HAIKU).piece_requests == 50_000

    def test_it_is_never_negative(self, desk):
        desk.batch(3_000_000, 10)
        write_figures(desk.warehouse, "openai", None, requests=3, jobs=1)
        room = desk.room()
        assert (room.free_tokens, room.free_requests, room.free_jobs) == (0, 0, 0)
        assert room.piece_requests == 1

    def test_no_limits(self, desk):
        desk.batch(3_000_000)
        room = desk.room(unlimited=True)
        assert (room.free_tokens, room.free_requests, room.free_jobs) == (None, None, None)
        assert (room.piece_tokens, room.piece_requests) == (None, None)


class TestCeilings:
    def test_half_of_what_was_too_large(self, desk):
        desk.refuse("tokens", 0, 1000)
        assert desk.room().free_tokens == 500

    def test_what_fitted_before(self, desk):
        desk.refuse("tokens", 900, 100)
        assert desk.room().ceilings.tokens == 900
        desk.batch(300)
        assert desk.room().free_tokens == 600

    def test_it_doubles_every_hour_up_to_the_limit(self, desk):
        desk.refuse("tokens", 0, 1000)
        assert [desk.room(now=NOW + hours * HOUR).ceilings.tokens for hours in (0, 0.99, 1, 2, 3)] == [
            500,
            500,
            1000,
            2000,
            4000,
        ]
        assert desk.room(now=NOW + 20 * HOUR).free_tokens == 2_000_000
        assert desk.room(now=NOW + 27 * HOUR).ceilings.tokens is None

    def test_it_is_never_0(self, desk):
        desk.refuse("jobs", 0, 1)
        assert desk.room().free_jobs == 1
        assert desk.room(now=NOW + HOUR).free_jobs == 2

    def test_the_lowest_counts(self, desk):
        desk.refuse("tokens", 0, 1000)
        desk.refuse("tokens", 0, 5000)
        assert desk.room().ceilings.tokens == 500

    def test_without_limits_it_is_the_only_one(self, desk):
        desk.refuse("tokens", 0, 1000)
        room = desk.room(unlimited=True)
        assert (room.free_tokens, room.piece_tokens) == (500, None)

    def test_a_limit_that_is_named_says_more(self, desk):
        desk.refuse("tokens", 900, 200, named=1000)
        room = desk.room()
        assert (room.limits.tokens, room.ceilings.tokens) == (1000, None)
        assert room.piece_tokens == 250

    def test_unless_others_use_the_account_or_our_estimate_is_low(self, desk):
        desk.refuse("tokens", 300, 200, named=1000)
        room = desk.room()
        assert (room.limits.tokens, room.ceilings.tokens) == (1000, 300)

    def test_they_are_of_the_model_or_of_the_account(self, desk):
        desk.refuse("tokens", 0, 1000)
        desk.refuse("requests", 0, 100)
        room = desk.room(NANO)
        assert (room.ceilings.tokens, room.ceilings.requests) == (None, 50)
        assert desk.room(HAIKU).ceilings.requests is None

    def test_other_refusals_say_nothing_about_the_queue(self, desk):
        desk.refuse("rate", 0, 1000)
        desk.refuse("other", 0, 1000)
        assert desk.room().ceilings.tokens is None

    def test_what_a_person_says_later_lifts_it(self, desk):
        desk.refuse("tokens", 0, 1000, ago=MINUTE)
        write_tier(desk.warehouse, "openai", "2")
        assert desk.room().free_tokens == 20_000_000


class TestWaiting:
    def test_one_interval_of_polls_that_doubles_up_to_an_hour(self, desk):
        found = []
        for _ in range(7):
            desk.refuse("tokens", 0, 1)
            found.append(waits(desk).total_seconds())
        assert found == [120, 240, 480, 960, 1920, 3600, 3600]
        for _ in range(100):
            desk.refuse("tokens", 0, 1)
        assert waits(desk) == HOUR

    def test_refusals_of_the_last_two_hours_count(self, desk):
        desk.refuse("tokens", 0, 1, ago=2 * HOUR + 2 * MINUTE)
        desk.refuse("tokens", 0, 1, ago=2 * HOUR)
        desk.refuse("tokens", 0, 1)
        assert waits(desk) == 4 * MINUTE

    def test_it_begins_at_the_last_one_and_ends(self, desk):
        desk.refuse("tokens", 0, 1, ago=MINUTE)
        assert waits(desk) == MINUTE
        assert waits(desk, now=NOW + MINUTE) is None
        assert desk.room(now=NOW + MINUTE).waits_for is None

    def test_retry_after(self, desk):
        desk.refuse("tokens", 0, 1, retry_after=7200.0)
        assert waits(desk) == 2 * HOUR
        desk.refuse("tokens", 0, 1, retry_after=1.0)
        assert waits(desk) == 4 * MINUTE

    def test_tokens_are_of_the_model(self, desk):
        desk.refuse("tokens", 0, 1)
        desk.refuse("other", 0, 1)
        assert waits(desk) == 4 * MINUTE
        assert waits(desk, NANO) is None

    @pytest.mark.parametrize("kind", ["requests", "jobs", "rate"])
    def test_the_others_are_of_the_account(self, desk, kind):
        desk.refuse(kind, 0, 1)
        desk.refuse("rate", 0, 1, model=NANO)
        assert waits(desk) == waits(desk, NANO) == 4 * MINUTE
        assert waits(desk, HAIKU) is None

    def test_the_longer_wait_counts(self, desk):
        desk.refuse("rate", 0, 1, retry_after=900.0)
        desk.refuse("tokens", 0, 1)
        assert waits(desk) == 15 * MINUTE

    def test_it_says_why(self, desk):
        desk.refuse("tokens", 0, 1)
        room = desk.room()
        assert room.waits_for == (
            "OpenAI refused a batch of gpt-4o-mini: The queue is full; "
            f"nothing is sent until {room.waits_until + 59 * dt.timedelta(seconds=1):%d %b %H:%M} UTC"
        )
        assert not room.is_hopeless


class TestAnAccountWithoutAQueue:
    def test_it_needs_a_person(self, desk):
        desk.refuse("tokens", 0, 1000, named=0, ago=5 * HOUR)
        room = desk.room()
        assert room.is_hopeless
        assert room.waits_until is None
        assert room.waits_for.startswith("OpenAI says that this account may queue no batches of gpt-4o-mini")
        assert "grabient config set tier openai TIER" in room.waits_for
        assert room.free_tokens == 0
        assert not desk.room(NANO).is_hopeless

    def test_who_says_that_it_has_one(self, desk):
        desk.refuse("tokens", 0, 1000, named=0, ago=5 * HOUR)
        write_tier(desk.warehouse, "openai", "1")
        room = desk.room()
        assert (room.is_hopeless, room.waits_for, room.free_tokens) == (False, None, 2_000_000)


def test_room_is_read_in_no_time(desk):
    """It is read for every piece: thousands of batches and a day of refusals change little."""
    desk.batch(10)
    desk.refuse("tokens", 0, 10)
    with desk.warehouse.connect() as connection:
        for table, count in (("tag_batches", 10_000), ("refused_batches", 300)):
            connection.execute(
                f"INSERT INTO {table} BY NAME "  # noqa: S608
                f"SELECT * EXCLUDE (i) REPLACE (submission || '-' || i AS submission) "
                f"FROM {table}, range(1, {count}) AS numbers (i)"
            )
        started = time.perf_counter()
        for _ in range(10):
            room = read_room(connection, MINI, unlimited=False, poll_seconds=POLL_SECONDS, now=NOW)
        assert time.perf_counter() - started < 5
    assert room.occupied.tokens == 100_000
