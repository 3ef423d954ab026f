"""What ended models, older prompts and other refiners have answered is not asked again, unless a person says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grabient_pipeline.batches.backfill import backfill
from grabient_pipeline.batches.order_progress import View, read_progress
from grabient_pipeline.batches.orders import BackfillRequest, RefinementRequest, resolve_backfill
from grabient_pipeline.batches.stages import REFINEMENT, STAGES, TAGGING
from grabient_pipeline.gallery.content import read_content
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.scorecard import read_scores

PALETTES = 3
HAIKU = "anthropic/claude-3-5-haiku-20241022"
SUCCESSOR = "anthropic/claude-haiku-5-5"
MINI = "openai/gpt-4o-mini"
OPUS = "anthropic/claude-opus-4-5-20251101"
SONNET = "anthropic/claude-sonnet-5-5"


def sent_to(report):
    """Requests by model."""
    counts: dict[str, int] = {}
    for batch in report.batches:
        counts[batch.model.name] = counts.get(batch.model.name, 0) + batch.request_count
    return counts


def another_prompt(stage):
    return replace(stage, prompt=replace(stage.prompt, system=f"{stage.prompt.system}\nAnswer in JSON."))


@pytest.fixture
def finished(workbench):
    """Three palettes, described twice by each of the mission's ten."""
    workbench.backfill(analysis_count=2, include_retired=True)
    workbench.settle()
    while workbench.pipeline.open_orders():
        workbench.pipeline.send_on()
        workbench.settle()
    assert workbench.value("SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL") == 2 * PALETTES * 10
    return workbench


class TestPanel:
    def test_succession_on_a_finished_ledger_sends_nothing(self, finished):
        before = finished.creations()
        report = finished.backfill(analysis_count=2, include_retired=False)
        assert (report.batches, report.order, report.failures) == ((), None, {})
        assert report.left_out[0].startswith("5 of the mission's models are retired")
        assert finished.creations() == before

    def test_a_dry_run_shows_both_sums(self, finished):
        report = finished.backfill(analysis_count=2, include_retired=False, dry_run=True)
        everything = finished.backfill(analysis_count=2, include_retired=False, dry_run=True, anew=True)
        assert report.batches == ()
        successors = (SUCCESSOR, "openai/gpt-6-luna", "openai/gpt-5.6-luna")
        assert sent_to(everything) == dict.fromkeys(successors, 2 * PALETTES)
        assert (report.answered_elsewhere, report.answered_elsewhere_usd) == (
            everything.request_count,
            pytest.approx(everything.estimated_cost_usd),
        )
        assert everything.answered_elsewhere == 0

    def test_anew_asks_the_successors_and_nobody_twice(self, finished):
        report = finished.backfill(analysis_count=2, include_retired=False, anew=True)
        assert SUCCESSOR in sent_to(report)
        assert MINI not in sent_to(report)
        finished.settle()
        again = finished.backfill(analysis_count=2, include_retired=False, anew=True)
        assert SUCCESSOR not in sent_to(again)
        assert set(finished.billed_twice().values()) == {0}

    def test_a_successor_is_asked_only_where_its_place_is_empty(self, workbench):
        workbench.backfill(HAIKU, analysis_count=2, limit=2, include_retired=True)
        workbench.settle()
        answered = workbench.rows(
            "SELECT seed, analysis_index FROM tag_requests WHERE state = 'succeeded' ORDER BY ALL"
        )
        assert len(answered) == 4
        report = workbench.backfill(SUCCESSOR, analysis_count=3, include_retired=False)
        assert sent_to(report) == {SUCCESSOR: 3 * PALETTES - 4}
        asked = workbench.rows("SELECT seed, analysis_index FROM tag_requests WHERE model = 'claude-haiku-5-5'")
        assert not set(asked) & set(answered)
        (part,) = workbench.pipeline.open_orders()
        assert (part.counts.asked, part.counts.answered, part.counts.in_flight) == (9, 4, 5)
        workbench.settle()
        assert workbench.pipeline.open_orders() == []

    def test_what_an_ended_model_failed_is_asked_of_its_successor(self, workbench):
        workbench.arm("fail_rows", "anthropic", share=0.5)
        workbench.backfill(HAIKU, analysis_count=1, include_retired=True)
        workbench.settle()
        workbench.disarm()
        answered = workbench.states().get("succeeded", 0)
        assert answered < PALETTES
        report = workbench.backfill(SUCCESSOR, analysis_count=1, include_retired=False)
        assert sent_to(report) == {SUCCESSOR: PALETTES - answered}

    def test_a_model_with_a_place_of_its_own_gets_no_answers_of_others(self, finished):
        """Named and in no place, or with the answers of a model that lives."""
        assert sent_to(finished.backfill("claude-haiku-4-5-20251001", analysis_count=1)) == {
            "anthropic/claude-haiku-4-5-20251001": PALETTES
        }

    def test_an_answer_keeps_its_model(self, finished):
        models = finished.rows("SELECT DISTINCT provider || '/' || model FROM palette_tags")
        assert {name for (name,) in models} == {model.name for model in load_catalogue().mission}

    def test_scorecard_and_gallery_say_whose_place_a_model_has_taken(self, workbench):
        workbench.backfill(MINI, SUCCESSOR, analysis_count=1, include_retired=False)
        workbench.settle()
        workbench.pipeline.count_consensus()
        assert {score.name: score.place for score in workbench.pipeline.score_models()} == {
            MINI: None,
            SUCCESSOR: HAIKU,
        }
        with workbench.pipeline.warehouse.connect() as connection:
            assert {score.name: score.place for score in read_scores(connection)} == {MINI: None, SUCCESSOR: HAIKU}
        workbench.pipeline.warehouse.publish()
        document = read_content(workbench.settings.data_dir).palettes
        assert dict(zip(document["models"], document["places"], strict=True)) == {MINI: None, SUCCESSOR: HAIKU}

    def test_a_change_of_the_panel_changes_no_open_order(self, workbench):
        workbench.arm("slow_batch")
        workbench.backfill(analysis_count=1, include_retired=False, max_cost_usd=1)
        before = [each.part for each in workbench.pipeline.open_orders()]
        workbench.pipeline.change_panel("set", [MINI])
        assert [each.part for each in workbench.pipeline.open_orders()] == before
        assert {part.place for part in before} == {
            None,
            HAIKU,
            "google/gemini-2.0-flash",
            "groq/llama-3.3-70b-versatile",
        }

    def test_the_chosen_panel_answers(self, workbench):
        workbench.pipeline.change_panel("set", [MINI, SUCCESSOR])
        report = workbench.backfill(analysis_count=1, include_retired=False, dry_run=True)
        assert set(sent_to(report)) == {MINI, SUCCESSOR}


class TestPrompt:
    """Another prompt asks again only on request; what it would cost is in the dry run and in the plan."""

    @pytest.fixture
    def answered(self, workbench):
        workbench.backfill(MINI, analysis_count=2)
        workbench.settle()
        return workbench

    def order(self, workbench, **options):
        request = BackfillRequest(models=[MINI], **options)
        return resolve_backfill(request, workbench.settings, ["openai"], 2).order

    def test_what_an_older_prompt_was_answered_is_not_asked_again(self, answered):
        stage = another_prompt(TAGGING)
        usable = answered.states()["succeeded"]
        dry = backfill(answered.pipeline.workspace, self.order(answered, dry_run=True), stage=stage)
        assert dry.request_count == 2 * PALETTES - usable
        assert dry.answered_elsewhere == usable
        more = backfill(answered.pipeline.workspace, self.order(answered, analysis_count=3), stage=stage)
        assert more.request_count == 3 * PALETTES - usable

    def test_answers_without_a_picture_do_not_count_for_requests_with_one(self, answered):
        report = answered.backfill(MINI, analysis_count=2, with_image=True)
        assert report.request_count == 2 * PALETTES
        answered.settle()
        again = answered.backfill(MINI, analysis_count=2, with_image=True, dry_run=True)
        assert again.request_count == answered.states().get("failed", 0)
        plain = backfill(
            answered.pipeline.workspace,
            self.order(answered, dry_run=True, analysis_count=3),
            stage=another_prompt(TAGGING),
        )
        assert plain.answered_elsewhere <= 2 * PALETTES

    def test_anew_asks_everything_under_todays_prompt(self, answered):
        report = backfill(answered.pipeline.workspace, self.order(answered, anew=True), stage=another_prompt(TAGGING))
        assert report.request_count == 2 * PALETTES
        with answered.pipeline.warehouse.connect() as connection:
            stages = {**STAGES, "tagging": another_prompt(TAGGING)}
            (part,) = [
                each
                for each in read_progress(connection, answered.pipeline.workspace, View(stages))
                if each.part.ask_again
            ]
        assert (part.counts.asked, part.counts.answered, part.counts.waiting) == (2 * PALETTES, 0, 0)


class TestRefiner:
    """A palette with a usable refinement, by whatever model and prompt, is not refined again by itself."""

    @pytest.fixture
    def refined(self, workbench):
        workbench.backfill(MINI, analysis_count=2)
        workbench.settle()
        workbench.pipeline.count_consensus()
        workbench.pipeline.refine(RefinementRequest())
        workbench.wait()
        workbench.pipeline.poll()
        workbench.pipeline.collect()
        workbench.pipeline.refine_answers()
        assert workbench.rows("SELECT model, count(tags) FROM palette_tag_refined GROUP BY model") == [
            ("claude-opus-4-5-20251101", PALETTES)
        ]
        return workbench

    @pytest.fixture
    def changed(self, refined, monkeypatch):
        """The same ledger with another refiner and another prompt."""
        stage = another_prompt(REFINEMENT)
        monkeypatch.setitem(STAGES, "refinement", stage)
        for module in ("batches.refine", "batches.plan", "pipeline"):
            monkeypatch.setattr(f"grabient_pipeline.{module}.REFINEMENT", stage)
        refined.pipeline = Pipeline(replace(refined.settings, refinement_model=SONNET), refined.environment)
        return refined

    def test_another_refiner_and_prompt_refine_nothing_by_themselves(self, changed):
        report = changed.pipeline.refine_within_cap(RefinementRequest())
        assert (report.batches.batches, report.held_back) == ((), ())
        assert changed.value("SELECT count(*) FROM tag_requests WHERE stage = 'refinement'") == PALETTES

    def test_they_are_stale_by_the_prompt(self, changed):
        report = changed.pipeline.refine(RefinementRequest(dry_run=True))
        assert report.stale_palettes == PALETTES
        assert changed.pipeline.refine(RefinementRequest(stale=True)).batches.request_count == PALETTES

    def test_another_refiner_alone_makes_nothing_stale(self, refined):
        other = Pipeline(replace(refined.settings, refinement_model=SONNET), refined.environment)
        assert other.refine(RefinementRequest(stale=True)).batches.request_count == 0
        assert other.refine(RefinementRequest(anew=True)).batches.request_count == PALETTES

    def test_anew_refines_nothing_that_the_same_model_has_refined(self, refined):
        assert refined.pipeline.refine(RefinementRequest(anew=True)).batches.request_count == 0

    def test_a_palette_without_a_usable_refinement_is_refined_by_the_new_one(self, changed):
        seed = changed.value("SELECT min(seed) FROM palettes")
        changed.rows("UPDATE tag_requests SET state = 'failed' WHERE stage = 'refinement' AND seed = ?", [seed])
        report = changed.pipeline.refine(RefinementRequest())
        assert sent_to(report.batches) == {SONNET: 1}

    def test_after_its_end_the_successor_refines(self, refined, monkeypatch):
        """On the sandbox, retired models answer on."""
        monkeypatch.setattr(
            "grabient_pipeline.batches.orders.resolve_refiner", lambda name: load_catalogue().model(SONNET)
        )
        refined.rows("UPDATE tag_requests SET state = 'failed' WHERE stage = 'refinement'")
        dry = refined.pipeline.refine(RefinementRequest(dry_run=True, include_retired=False))
        assert {batch.model.name for batch in dry.batches.batches} == {SONNET}
        kept = refined.pipeline.refine(RefinementRequest(dry_run=True))
        assert {batch.model.name for batch in kept.batches.batches} == {OPUS}
