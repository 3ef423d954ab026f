"""Batches that the providers have and the ledger lacks: what they contain is not paid for again."""

from __future__ import annotations

import shutil
import time

import pytest

from grabient_pipeline.batches import listings
from grabient_pipeline.batches.orders import RefinementRequest
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import UnknownBatchesError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.registry import Providers
from grabient_pipeline.warehouse import Warehouse
from grabient_pipeline.warehouse.restore import back_up, find_copies, restore
from grabient_pipeline_tests.catalogue import MODELS
from grabient_pipeline_tests.conftest import PALETTES, Workbench, copy_template

each_provider = pytest.mark.parametrize("key", MODELS)


class LossyWorkbench(Workbench):
    """A workbench whose data directory can be put back to an earlier state, or lost."""

    def save(self):
        self.saved = self.settings.data_dir.with_name("saved")
        shutil.copytree(self.settings.data_dir, self.saved)

    def put_back(self):
        """Put the whole data directory back as it was saved, as a backup of the machine does."""
        shutil.rmtree(self.settings.data_dir)
        shutil.copytree(self.saved, self.settings.data_dir)
        self.pipeline = Pipeline(self.settings, self.environment)

    def lose_everything(self, palettes=PALETTES):
        """Lose the data directory, and import some of the palettes into a new one; all palettes are returned."""
        seeds = [seed for (seed,) in self.rows("SELECT seed FROM palettes ORDER BY created_at, seed")]
        shutil.rmtree(self.settings.data_dir)
        self.pipeline = Pipeline(self.settings, self.environment)
        self.import_seeds(seeds[:palettes])
        return seeds

    def import_seeds(self, seeds):
        file = self.settings.data_dir.parent / "seeds.txt"
        file.write_text("\n".join(seeds), "utf-8")
        self.pipeline.import_palettes([file])

    def ledger_id(self):
        return self.value("SELECT ledger_id FROM config")

    def billed(self):
        return sum(bill["requests"] + bill["direct_requests"] for bill in self.server.sandbox.billed().values())

    def listings(self, key):
        """Count the lists of batches and results that were asked for."""
        return sum(
            call["method"] == "GET" and f"/{key}/" in call["path"] and call["path"].endswith(("/batches", "/results"))
            for call in self.server.sandbox.requests
        )

    def let_another_program_submit(self, key):
        """Create a batch on the same account whose custom ids have another form."""
        other = Workbench(
            copy_template(self.settings.data_dir, self.settings.data_dir.with_name("other"), sandbox=True), self.server
        )
        with other.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE config SET ledger_id = 'OTHER'")
            connection.execute("DELETE FROM tag_requests")
            connection.execute("DELETE FROM request_claims")
        return other.backfill(MODELS[key], analysis_count=1, ignore_unknown=True)


def wait_until(is_so):
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def lossy(tmp_path, imported, sandbox):
    return LossyWorkbench(copy_template(imported, tmp_path / "data", sandbox=True), sandbox)


class TestOlderLedger:
    @each_provider
    def test_what_was_sent_since_is_adopted_and_not_paid_for_again(self, lossy, key):
        lossy.backfill(MODELS[key], analysis_count=1)
        lossy.settle()
        lossy.save()
        lossy.backfill(MODELS[key], analysis_count=2)
        lossy.wait()
        answers = lossy.billed()
        lossy.put_back()
        with pytest.raises(UnknownBatchesError, match="lacked 1 batch of its own"):
            lossy.backfill(MODELS[key], analysis_count=2)
        # Its requests are not known yet.
        report = lossy.backfill(MODELS[key], analysis_count=2)
        assert (report.request_count, len(report.left_out)) == (0, 1)
        assert "waits for the adopted batch" in report.left_out[0]
        (batch,) = lossy.settle().batches
        assert (batch.states, dict(batch.findings)) == ({"succeeded": PALETTES}, {})
        assert batch.cost_usd > 0
        assert lossy.rows("SELECT * FROM paid_and_not_kept") == []
        assert lossy.backfill(MODELS[key], analysis_count=2).request_count == 0
        assert lossy.billed() == answers
        attempts = lossy.rows("SELECT analysis_index, attempt, count(*) FROM tag_requests GROUP BY ALL ORDER BY ALL")
        assert attempts == [(0, 1, PALETTES), (1, 1, PALETTES)]
        assert lossy.value("SELECT count(*) FROM request_claims") == 2 * PALETTES

    def test_ordinary_calls_are_found_in_their_folder(self, lossy):
        lossy.backfill(MODELS["groq"], analysis_count=1, direct=True)
        lossy.settle()
        older = lossy.settings.data_dir.with_name("older.duckdb")
        shutil.copyfile(lossy.settings.warehouse, older)
        lossy.arm("down", "groq", calls="asking", status=401)
        lossy.backfill(MODELS["groq"], analysis_count=2, direct=True)
        lossy.disarm()
        shutil.copyfile(older, lossy.settings.warehouse)
        lossy.settings.published.unlink()
        lossy.pipeline = Pipeline(lossy.settings, lossy.environment)
        assert len(lossy.pipeline.adopt().adopted) == 1
        lossy.pipeline.collect()
        assert lossy.states() == {"succeeded": 2 * PALETTES}
        assert lossy.billed() == 2 * PALETTES

    def test_a_refusal_is_published(self, lossy):
        lossy.backfill(MODELS["openai"], analysis_count=1)
        lossy.settle()
        lossy.save()
        lossy.arm("slow_batch", "openai")
        lossy.backfill(MODELS["openai"], analysis_count=2)
        lossy.put_back()
        with pytest.raises(UnknownBatchesError):
            lossy.backfill(MODELS["openai"], analysis_count=2)
        assert [batch.status for batch in lossy.pipeline.status().open_batches] == ["submitted"]

    def test_a_dry_run_looks_at_no_listing(self, lossy):
        lossy.backfill(MODELS["openai"], analysis_count=1, dry_run=True)
        assert lossy.listings("openai") == 0

    def test_of_what_was_asked_again_both_answers_and_both_costs_are_kept(self, lossy):
        lossy.save()
        lossy.backfill(MODELS["openai"], analysis_count=1)
        lossy.wait()
        lossy.put_back()
        lossy.backfill(MODELS["openai"], analysis_count=1, ignore_unknown=True)
        lossy.settle()
        assert lossy.states() == {"succeeded": PALETTES, "released": PALETTES}
        assert lossy.value("SELECT count(*) FROM tag_responses WHERE text IS NOT NULL") == 2 * PALETTES
        assert lossy.value("SELECT count(*) FROM tag_batches WHERE cost_usd > 0") == 2
        assert lossy.value("SELECT count(*) FROM palette_tags") == PALETTES

    def test_it_counts_if_the_second_attempt_gives_nothing(self, lossy):
        lossy.save()
        lossy.backfill(MODELS["openai"], analysis_count=1)
        lossy.wait()
        lossy.put_back()
        lossy.arm("slow_batch", "openai", times=1)
        lossy.backfill(MODELS["openai"], analysis_count=1, ignore_unknown=True)
        lossy.settle()
        assert lossy.states() == {"in_flight": PALETTES, "released": PALETTES}
        lossy.pipeline.cancel()
        lossy.lose_patience()
        wait_until(lambda: lossy.settle() and lossy.states().get("in_flight", 0) == 0)
        assert lossy.states() == {"succeeded": PALETTES, "released": PALETTES}
        assert lossy.backfill(MODELS["openai"], analysis_count=1).request_count == 0

    @each_provider
    def test_a_short_file_of_an_adopted_batch_is_waited_for(self, lossy, key):
        lossy.save()
        lossy.backfill(MODELS[key], analysis_count=2)
        lossy.wait()
        lossy.put_back()
        lossy.pipeline.adopt()
        lossy.arm("short_download", key, times=1, share=0.5)
        assert sum(batch.waiting for batch in lossy.settle().batches) > 0
        assert lossy.value("SELECT count(*) FROM paid_and_not_kept") == 1
        lossy.settle()
        assert lossy.states() == {"succeeded": 2 * PALETTES}
        assert lossy.rows("SELECT * FROM paid_and_not_kept") == []

    def test_a_batch_that_was_released_too_early_is_taken_up_again(self, lossy):
        lossy.arm("create_then_drop", "openai", times=1)
        lossy.arm("listing_lag", "openai", seconds=3)
        lossy.backfill(MODELS["openai"], analysis_count=1)
        lossy.wait()
        assert len(lossy.pipeline.reconcile(margin_seconds=0).released) == 1
        lossy.disarm()
        assert len(lossy.pipeline.adopt().adopted) == 1
        lossy.settle()
        assert lossy.states() == {"succeeded": PALETTES}
        assert lossy.backfill(MODELS["openai"], analysis_count=1).request_count == 0


class TestLostLedger:
    def test_batches_of_another_ledger_are_adopted_with_a_yes(self, lossy):
        for key in MODELS:
            lossy.backfill(MODELS[key], analysis_count=1)
        lossy.wait()
        old, answers = lossy.ledger_id(), lossy.billed()
        lossy.lose_everything()
        assert lossy.ledger_id() != old
        with pytest.raises(UnknownBatchesError, match=f"4 batches of the ledger {old}; grabient reconcile --adopt"):
            lossy.backfill(*MODELS.values(), analysis_count=1)
        report = lossy.pipeline.adopt()
        assert (report.adopted, report.found.other_ledgers) == ((), {old: 4})
        assert len(lossy.pipeline.adopt([old]).adopted) == 4
        lossy.settle()
        assert lossy.states() == {"succeeded": 4 * PALETTES}
        assert lossy.backfill(*MODELS.values(), analysis_count=1).request_count == 0
        assert lossy.billed() == answers

    def test_they_stay_theirs_with_a_no(self, lossy):
        lossy.backfill(MODELS["groq"], analysis_count=1)
        lossy.wait()
        lossy.lose_everything()
        assert lossy.backfill(MODELS["groq"], analysis_count=1, ignore_unknown=True).request_count == PALETTES
        assert lossy.backfill(MODELS["groq"], analysis_count=2).request_count == PALETTES
        assert lossy.pipeline.adopt().found.others == ()

    def test_answers_about_palettes_that_are_imported_later_are_kept(self, lossy):
        lossy.backfill(MODELS["openai"], analysis_count=2)
        lossy.wait()
        old = lossy.ledger_id()
        seeds = lossy.lose_everything(palettes=1)
        lossy.pipeline.adopt([old])
        (batch,) = lossy.settle().batches
        assert (batch.states, dict(batch.findings)) == ({"succeeded": 2}, {})
        cost = lossy.value("SELECT cost_usd FROM tag_batches")
        assert lossy.value("SELECT count(*) FROM found_responses") == 2 * (PALETTES - 1)
        assert lossy.rows("SELECT * FROM paid_and_not_kept") == []
        lossy.import_seeds(seeds)
        assert lossy.states() == {"succeeded": 2 * PALETTES}
        assert lossy.value("SELECT count(tags) FROM palette_tags") == 2 * PALETTES
        assert lossy.rows("FROM found_responses") == []
        assert lossy.value("SELECT cost_usd FROM tag_batches") == pytest.approx(cost)
        assert lossy.backfill(MODELS["openai"], analysis_count=2).request_count == 0

    def test_a_refinement_gets_its_consensus_when_that_is_counted(self, lossy):
        lossy.backfill(MODELS["openai"], analysis_count=1)
        lossy.settle()
        lossy.pipeline.count_consensus()
        lossy.pipeline.refine(RefinementRequest())
        lossy.settle()
        lossy.pipeline.refine_answers()
        refined = lossy.rows("SELECT seed, tags, consensus_digest FROM palette_tag_refined ORDER BY seed")
        assert len(refined) == PALETTES
        old = lossy.ledger_id()
        lossy.lose_everything()
        assert len(lossy.pipeline.adopt([old]).adopted) == 2
        lossy.settle()
        lossy.pipeline.refine_answers()
        lossy.pipeline.count_consensus()
        assert lossy.rows("SELECT seed, tags, consensus_digest FROM palette_tag_refined ORDER BY seed") == refined
        report = lossy.pipeline.refine(RefinementRequest(stale=True))
        assert (report.batches.request_count, report.batches.failures) == (0, {})


class TestRestore:
    def test_nothing_is_paid_for_by_itself_until_all_is_collected(self, lossy):
        lossy.backfill(MODELS["openai"], analysis_count=1)
        lossy.settle()
        lossy.pipeline.count_consensus()
        copy = back_up(lossy.pipeline.warehouse, lossy.settings.data_dir.with_name("backups"))
        lossy.arm("slow_batch", "openai", times=1)
        lossy.backfill(MODELS["openai"], analysis_count=2)
        shutil.rmtree(lossy.settings.data_dir)
        lossy.settings.create_directories()
        warehouse = Warehouse(lossy.settings.warehouse, lossy.settings.published)
        restore(warehouse, copy, find_copies(warehouse, copy.path))
        lossy.pipeline = Pipeline(lossy.settings, lossy.environment)

        assert len(lossy.pipeline.adopt().adopted) == 1
        report = lossy.pipeline.refine_within_cap(RefinementRequest())
        assert report.batches.batches == ()
        assert "grabient resume" in report.held_back[0]
        with pytest.raises(UnknownBatchesError, match="1 batch at openai .* adopted, but not collected yet"):
            lossy.pipeline.resume()
        assert any("adopted, but not collected" in line for line in lossy.pipeline.status().complaints)

        (batch,) = (batch for batch in lossy.provider_batches() if batch.seconds > 100)
        lossy.server.sandbox.store.end(batch, time.time())
        lossy.settle()
        assert lossy.pipeline.resume()
        assert not lossy.pipeline.resume()
        assert lossy.pipeline.status().complaints == []
        assert lossy.backfill(MODELS["openai"], analysis_count=2).request_count == 0


class TestListings:
    def test_an_anthropic_batch_that_runs_holds_up_a_new_ledger(self, lossy):
        lossy.arm("slow_batch", "anthropic", times=1)
        lossy.backfill(MODELS["anthropic"], analysis_count=1)
        old = lossy.ledger_id()
        lossy.lose_everything()
        with pytest.raises(UnknownBatchesError, match="1 batch at anthropic .* may belong to this ledger"):
            lossy.backfill(MODELS["anthropic"], analysis_count=1)
        # Other providers are not held up.
        assert lossy.backfill(MODELS["openai"], analysis_count=1).request_count == PALETTES
        (batch,) = lossy.server.sandbox.store.batches("anthropic")
        lossy.server.sandbox.store.end(batch, time.time())
        with pytest.raises(UnknownBatchesError, match=f"reconcile --adopt {old}"):
            lossy.backfill(MODELS["anthropic"], analysis_count=1)

    def test_after_a_loss_it_is_adopted_by_the_tick_that_sees_it_end(self, lossy):
        lossy.save()
        lossy.arm("slow_batch", "anthropic", times=1)
        lossy.backfill(MODELS["anthropic"], analysis_count=1)
        lossy.put_back()
        assert lossy.pipeline.adopt().found.unreadable.keys() == {"anthropic"}
        assert lossy.pipeline.tick(Deadline.after(30)).listed.adopted == ()
        (batch,) = lossy.server.sandbox.store.batches("anthropic")
        lossy.server.sandbox.store.end(batch, time.time())
        report = lossy.pipeline.tick(Deadline.after(30))
        assert len(report.listed.adopted) == len(report.collectable) == 1
        before = lossy.listings("anthropic")
        lossy.pipeline.tick(Deadline.after(30))
        assert lossy.listings("anthropic") == before, "nothing is unreadable any more"

    def test_later_an_unreadable_batch_holds_up_nothing(self, lossy):
        lossy.backfill(MODELS["anthropic"], analysis_count=1)
        lossy.settle()
        lossy.arm("slow_batch", "anthropic", times=1)
        lossy.let_another_program_submit("anthropic")
        assert lossy.backfill(MODELS["anthropic"], analysis_count=2).request_count == PALETTES

    def test_whose_a_foreign_batch_is_is_looked_up_once(self, lossy):
        lossy.let_another_program_submit("anthropic")
        lossy.wait()
        lossy.backfill(MODELS["anthropic"], analysis_count=1)
        assert lossy.rows("SELECT provider, kind FROM other_batches") == [("anthropic", "foreign")]
        before = lossy.listings("anthropic")
        lossy.backfill(MODELS["anthropic"], analysis_count=2)
        # The list for the check of the key, and one of the batches since the last time.
        assert lossy.listings("anthropic") - before == 2

    def test_a_batch_of_an_unknown_model_is_not_taken_for_foreign(self, lossy, monkeypatch):
        lossy.backfill(MODELS["anthropic"], analysis_count=1)
        lossy.wait()
        old = lossy.ledger_id()
        lossy.lose_everything()
        with monkeypatch.context() as patched:
            # A later version has dropped the model from its catalogue.
            patched.setattr(listings, "model_digest", lambda *_: "none")
            lossy.pipeline.adopt([old])
        assert lossy.rows("FROM other_batches") == []
        assert len(lossy.pipeline.adopt([old]).adopted) == 1
        lossy.settle()
        assert lossy.states() == {"succeeded": PALETTES}

    def test_another_address_or_key_is_another_account(self, lossy):
        lossy.backfill(MODELS["openai"], analysis_count=1)
        ((first,),) = lossy.rows("SELECT account FROM listings")
        lossy.environment["OPENAI_BASE_URL"] = lossy.environment["OPENAI_BASE_URL"].replace("127.0.0.1", "localhost")
        lossy.pipeline = Pipeline(lossy.settings, lossy.environment)
        lossy.backfill(MODELS["openai"], analysis_count=2)
        (second,) = (account for (account,) in lossy.rows("SELECT account FROM listings") if account != first)
        digests = {
            Providers({**lossy.environment, "OPENAI_API_KEY": key}, lossy.settings.direct_dir).account("openai", "salt")
            for key in ("a-key", "another-key")
        }
        assert len({first, second, *digests}) == 4
        assert all(len(digest) == 8 for digest in digests)

    def test_the_first_time_a_provider_without_a_listing_is_not_used(self, lossy):
        lossy.arm("down", "openai", status=404, calls="reading")
        report = lossy.backfill(MODELS["openai"], MODELS["groq"], analysis_count=1)
        assert [route.provider for route in report.failures] == ["openai"]
        assert report.request_count == PALETTES
