"""A backfill says which models may end before their batches do."""

from __future__ import annotations

import datetime as dt

import pytest

from grabient_pipeline.batches import orders
from grabient_pipeline.batches.windows import write_window
from grabient_pipeline.providers import catalogue, panel, selection
from grabient_pipeline_tests.conftest import Workbench, copy_template

OSS = "groq/openai/gpt-oss-20b"
GEMINI = "google/gemini-2.5-flash-lite"


class Notes:
    """Keeps the notes of a step."""

    def __init__(self):
        self.lines = []

    def advance(self, task, count, total):
        pass

    def note(self, line):
        self.lines.append(line)


@pytest.fixture
def bench(tmp_path, imported, sandbox):
    """Three palettes, and accounts like real ones: their models end."""
    return Workbench(copy_template(imported, tmp_path / "data"), sandbox)


@pytest.fixture
def ends(monkeypatch):
    """Let a model end so many hours from now, rounded up to the end of a day; returns the day."""

    def end(name, hours):
        day = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)).date() + dt.timedelta(days=1)
        known = catalogue.load_catalogue()
        changed = [
            each.model_copy(update={"ends_on": day, "replacement": "openai/gpt-6-luna"}) if each.name == name else each
            for each in known.models
        ]
        altered = known.model_copy(update={"models": tuple(changed)})
        for module in (catalogue, orders, panel, selection):
            monkeypatch.setattr(module, "load_catalogue", lambda: altered)
        return day

    return end


def order(bench, *models, **options):
    notes = Notes()
    request = orders.BackfillRequest(models=models, **options)
    report = bench.pipeline.backfill(request, progress=notes)
    assert [line for line in notes.lines if " ends on " in line] == list(report.ending)
    return report


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_batch_that_may_outlive_its_model(bench, ends, dry_run):
    day = ends(OSS, 0)
    report = order(bench, OSS, analysis_count=1, dry_run=dry_run)
    assert report.ending == (f"{OSS} ends on {day}; a batch sent now may still be under way then (24 h)",)
    # It is sent all the same.
    assert report.request_count == 3
    assert len(bench.provider_batches()) == (0 if dry_run else 1)


def test_the_window_of_the_provider_counts(bench, ends):
    day = ends(GEMINI, 24)
    report = order(bench, GEMINI, analysis_count=1)
    assert report.ending == (f"{GEMINI} ends on {day}; a batch sent now may still be under way then (48 h)",)


def test_a_window_that_was_set_counts(bench, ends):
    day = ends(OSS, 48)
    write_window(bench.pipeline.warehouse, "groq", "5d")
    report = order(bench, OSS, analysis_count=1)
    assert report.ending == (f"{OSS} ends on {day}; a batch sent now may still be under way then (120 h)",)


def test_a_model_that_ends_later(bench, ends):
    ends(OSS, 25)
    assert order(bench, OSS, analysis_count=1).ending == ()


def test_a_model_without_an_end(bench):
    assert order(bench, OSS, analysis_count=1).ending == ()


def test_nothing_is_said_when_nothing_is_sent(bench, ends):
    order(bench, OSS, analysis_count=1)
    bench.settle()
    ends(OSS, 0)
    assert order(bench, OSS, analysis_count=1).ending == ()


def test_ordinary_calls_take_no_such_time(bench, ends):
    ends(OSS, 0)
    assert order(bench, OSS, analysis_count=1, direct=True, dry_run=True).ending == ()


def test_models_that_are_asked_after_their_end(bench, ends):
    ends(OSS, 0)
    assert order(bench, OSS, analysis_count=1, include_retired=True).ending == ()


def test_a_model_that_has_ended_is_left_out(bench, ends):
    ends(OSS, -48)
    report = order(bench, OSS, analysis_count=1)
    assert report.ending == ()
    assert "retired it on" in report.left_out[0]


def test_an_order_that_takes_longer_than_its_model_lives(bench, ends):
    """The queue has room for one request at a time, and each round may take a day."""
    day = ends(OSS, 30)
    with bench.pipeline.warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO account_limits BY NAME SELECT 'groq' AS provider, '' AS model, 'none' AS tier, "
            "1 AS requests, now() AS set_at"
        )
    expected = (f"{OSS} ends on {day}; order 1 will likely not be complete by then",)
    assert order(bench, OSS, analysis_count=2).ending == expected
    # In a dry run as well, for what waits.
    assert order(bench, OSS, analysis_count=2, dry_run=True).ending == expected
