"""How long batches may take: a setting where the provider lets it be chosen, and a fact of each batch afterwards."""

from __future__ import annotations

import datetime as dt

import pytest

from grabient_pipeline.batches.abandon import abandonable
from grabient_pipeline.batches.account_limits import read_account_tier, write_figures
from grabient_pipeline.batches.windows import take_back_window, window_of, write_window
from grabient_pipeline.errors import SettingsError, UnknownModelError
from grabient_pipeline.providers.base import ListedBatch, read_window, window_text
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.chat_completions import list_identities
from grabient_pipeline_tests.catalogue import MODELS

GROQ = MODELS["groq"]
HOUR = dt.timedelta(hours=1)


def set_window(workbench, window):
    return write_window(workbench.pipeline.warehouse, "groq", window)


def sent_windows(workbench):
    """The completion windows that the sandbox was asked for, oldest first."""
    return [batch.details["completion_window"] for batch in reversed(workbench.provider_batches())]


def recorded(workbench):
    return [hours for (hours,) in workbench.rows("SELECT window_hours FROM tag_batches ORDER BY created_at")]


def move_submission(workbench, ago):
    workbench.rows("UPDATE tag_batches SET submitted_at = now() - to_seconds(?)", [ago.total_seconds()])


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("24h", 24),
        ("72h", 72),
        ("7d", 168),
        ("1d", 24),
        ("0h", None),
        ("", None),
        ("7", None),
        ("1w", None),
        ("24H", None),
        ("٢h", None),
        ("1.5d", None),
        ("99999h", None),
        (None, None),
        ({}, None),
    ],
)
def test_windows_are_read(text, hours):
    assert read_window(text) == hours


@pytest.mark.parametrize(("hours", "text"), [(24, "24h"), (36, "36h"), (72, "3d"), (168, "7d")])
def test_windows_are_written(hours, text):
    assert window_text(hours) == text
    assert read_window(text) == hours


class TestSetting:
    @pytest.mark.parametrize(("window", "hours"), [("24h", 24), ("100h", 100), ("3d", 72), ("7d", 168), ("168h", 168)])
    def test_a_window_is_sent_and_recorded(self, workbench, window, hours):
        assert set_window(workbench, window) == hours
        workbench.backfill(GROQ, analysis_count=1)
        assert [read_window(text) for text in sent_windows(workbench)] == [hours]
        assert recorded(workbench) == [hours]

    def test_without_a_word_it_is_the_usual_one(self, workbench):
        workbench.backfill(*MODELS.values(), analysis_count=1)
        assert dict(workbench.rows("SELECT provider, window_hours FROM tag_batches")) == {
            provider.key: provider.window_hours for provider in load_catalogue().providers.values()
        }

    @pytest.mark.parametrize("window", ["23h", "169h", "8d", "7", "72", "-24h", "a week", "24 h", ""])
    def test_another_window_is_refused(self, workbench, window):
        with pytest.raises(SettingsError, match="must be from 24h to 7d in whole hours or days, such as 72h or 3d"):
            set_window(workbench, window)

    @pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
    def test_a_provider_without_the_choice_is_refused(self, workbench, provider):
        for change in (
            lambda: write_window(workbench.pipeline.warehouse, provider, "24h"),
            lambda: take_back_window(workbench.pipeline.warehouse, provider),
        ):
            with pytest.raises(SettingsError, match="cannot be chosen: .* it can be chosen for groq"):
                change()

    def test_an_unknown_provider_is_refused(self, workbench):
        with pytest.raises(UnknownModelError, match="no provider 'grok'"):
            write_window(workbench.pipeline.warehouse, "grok", "72h")

    def test_it_leaves_the_limits_of_the_account_alone(self, workbench):
        """On the sandbox an account has no limits until something is said of them."""
        set_window(workbench, "3d")
        with workbench.pipeline.warehouse.connect() as connection:
            assert read_account_tier(connection, "groq", unlimited=True).tier is None

    def test_direct_calls_have_none(self, workbench):
        set_window(workbench, "3d")
        workbench.backfill(GROQ, analysis_count=1, direct=True)
        assert recorded(workbench) == [None]

    def test_later_pieces_of_an_order_take_the_setting_of_the_moment(self, workbench):
        write_figures(workbench.pipeline.warehouse, "groq", None, requests=2)
        set_window(workbench, "3d")
        workbench.backfill(GROQ, analysis_count=1)
        assert set(recorded(workbench)) == {72}
        set_window(workbench, "5d")
        workbench.settle()
        workbench.pipeline.send_on()
        assert (recorded(workbench)[0], recorded(workbench)[-1]) == (72, 120)
        assert (sent_windows(workbench)[0], sent_windows(workbench)[-1]) == ("3d", "5d")


class TestBatch:
    """What is asked of a batch goes by the batch, after the setting has changed back."""

    @pytest.fixture
    def long(self, workbench):
        workbench.arm("slow_batch", "groq")
        set_window(workbench, "3d")
        workbench.backfill(GROQ, analysis_count=1)
        take_back_window(workbench.pipeline.warehouse, "groq")
        return workbench

    def only(self, workbench):
        (batch,) = workbench.pipeline.status().open_batches
        return batch

    @pytest.mark.parametrize(("age", "overdue"), [(30, False), (71, False), (73, True)])
    def test_it_is_overdue_after_its_own_window(self, long, age, overdue):
        move_submission(long, age * HOUR)
        batch = self.only(long)
        assert batch.overdue is overdue
        assert batch.due_at - batch.submitted_at == 72 * HOUR

    def test_its_cost_counts_until_its_own_window_ends(self, long):
        long.pipeline.abandon(abandonable(long.pipeline.warehouse, [self.only(long).submission]))
        ((submitted, until),) = long.rows("SELECT submitted_at, outstanding_until FROM tag_batches")
        assert until - submitted == 72 * HOUR

    def test_its_order_is_forecast_by_its_own_window(self, long):
        (order,) = long.pipeline.status().orders
        assert order.latest_at - dt.datetime.now(dt.UTC) == pytest.approx(72 * HOUR, abs=HOUR / 10)

    def test_the_provider_ends_it_by_its_own_window(self, long):
        (batch,) = long.provider_batches()
        document = long.server.sandbox.store.batch("groq", batch.id)
        assert document.details["window"] == 72 * 3600

    def test_one_that_recorded_none_has_the_window_of_its_time(self, long):
        long.rows("UPDATE tag_batches SET window_hours = NULL")
        batch = self.only(long)
        assert batch.due_at - batch.submitted_at == 24 * HOUR
        assert (window_of("google", None), window_of("anthropic", None)) == (48, 24)

    def test_a_batch_that_would_take_longer_than_its_window_expires(self, workbench):
        workbench.arm("slow_batch", "groq", seconds=4 * 86_400.0)
        set_window(workbench, "3d")
        workbench.backfill(GROQ, analysis_count=1)
        (batch,) = workbench.provider_batches()
        assert (batch.seconds, batch.finished_share) == (3 * 86_400.0, 0.75)


class TestAdoption:
    def lose(self, workbench):
        """Lose the ledger's rows, but not its id."""
        for table in ("request_claims", "tag_requests", "tag_batches", "listings", "order_parts", "orders"):
            workbench.rows(f"DELETE FROM {table}")  # noqa: S608

    def test_an_adopted_batch_has_the_window_that_its_provider_names(self, workbench):
        set_window(workbench, "5d")
        workbench.backfill(GROQ, analysis_count=1)
        take_back_window(workbench.pipeline.warehouse, "groq")
        self.lose(workbench)
        assert len(workbench.pipeline.adopt().adopted) == 1
        assert recorded(workbench) == [120]

    @pytest.mark.parametrize("named", ["later", "30d", "1h", None])
    def test_one_that_is_named_in_an_unknown_way_has_the_usual_window(self, workbench, named):
        workbench.backfill(GROQ, analysis_count=1)
        (batch,) = workbench.provider_batches()
        batch.details["completion_window"] = named
        self.lose(workbench)
        workbench.pipeline.adopt()
        assert recorded(workbench) == [24]

    def test_other_providers_have_theirs(self, workbench):
        workbench.backfill(MODELS["google"], MODELS["openai"], analysis_count=1)
        workbench.wait()
        self.lose(workbench)
        workbench.pipeline.adopt()
        assert dict(workbench.rows("SELECT provider, window_hours FROM tag_batches")) == {"google": 48, "openai": 24}

    def test_a_listing_says_the_window(self):
        rows = [{"id": "a", "completion_window": "3d"}, {"id": "b", "completion_window": {}}, {"id": "c"}]
        listed: list[ListedBatch] = list(list_identities(rows, frozenset()))
        assert [batch.window_hours for batch in listed] == [72, None, None]
