"""Backfills with pictures: another version of the prompt, pinned, paid for apart, and counted only where chosen."""

from __future__ import annotations

import pytest

from grabient_pipeline.batches.account_limits import write_figures
from grabient_pipeline.batches.backfill import estimate
from grabient_pipeline.batches.orders import BackfillOrder, BackfillRequest
from grabient_pipeline.batches.prompt_versions import CURRENT
from grabient_pipeline.batches.stages import SENDABLE, TAGGING, TAGGING_WITH_IMAGE
from grabient_pipeline.consensus import count_consensus
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers import catalogue as catalogue_module
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline_tests.conftest import PALETTES, Workbench

MINI, HAIKU, OSS = "openai/gpt-4o-mini", "anthropic/claude-haiku-5-5", "groq/openai/gpt-oss-20b"
SEEING = [model.name for model in load_catalogue().models if model.takes_images]
PLAIN, PICTURES = TAGGING.prompt.version, TAGGING_WITH_IMAGE.prompt.version


def with_image(workbench: Workbench, *models: str, **options):
    return workbench.backfill(*models, **{"analysis_count": 1, "with_image": True, **options})


def billed(workbench: Workbench, key: str) -> int:
    return sum(bill[key] for bill in workbench.server.sandbox.billed().values())


def usable(workbench: Workbench) -> dict[str, int]:
    return dict(workbench.rows("SELECT prompt_version, count(tags) FROM palette_tags GROUP BY ALL"))


def shown(workbench: Workbench) -> list[str]:
    count_consensus(workbench.pipeline.warehouse)
    return [version for (version,) in workbench.rows("SELECT DISTINCT prompt_version FROM current_consensus")]


class TestSending:
    @pytest.mark.parametrize("model", SEEING)
    def test_every_model_that_takes_pictures_gets_those_of_its_palettes(self, workbench, model):
        report = with_image(workbench, model)
        assert report.request_count == PALETTES
        workbench.settle()
        assert workbench.states() == {"succeeded": PALETTES}
        assert workbench.value("SELECT count(*) FROM tag_responses WHERE outcome = 'succeeded'") == PALETTES
        assert set(usable(workbench)) == {PICTURES}
        assert billed(workbench, "requests_with_pictures") == PALETTES
        assert billed(workbench, "pictures_of_other_palettes") == 0

    @pytest.mark.parametrize("model", [MINI, HAIKU, "google/gemini-3.5-flash-lite", "groq/qwen/qwen3.8-27b"])
    def test_ordinary_calls_carry_the_picture_too(self, workbench, model):
        with_image(workbench, model, direct=True)
        workbench.settle()
        assert workbench.states() == {"succeeded": PALETTES}
        assert billed(workbench, "requests_with_pictures") == PALETTES
        assert billed(workbench, "pictures_of_other_palettes") == 0

    def test_models_without_images_are_left_out_in_one_line(self, workbench):
        report = with_image(workbench, MINI, OSS, "groq/openai/gpt-oss-120b")
        assert report.left_out == (
            "2 models take no pictures and are left out: groq/openai/gpt-oss-20b, groq/openai/gpt-oss-120b",
        )
        assert {batch.model.name for batch in report.batches} == {MINI}
        (line,) = with_image(workbench, OSS).left_out
        assert line == "1 model takes no pictures and is left out: groq/openai/gpt-oss-20b"
        assert workbench.backfill(OSS, analysis_count=1).left_out == ()

    def test_what_was_answered_is_not_asked_again_and_plain_answers_stay(self, workbench):
        workbench.backfill(MINI, analysis_count=2)
        workbench.settle()
        plain = workbench.rows("SELECT * FROM palette_tags ORDER BY ALL")
        assert with_image(workbench, MINI).request_count == PALETTES
        workbench.settle()
        assert with_image(workbench, MINI).request_count == 0
        assert workbench.backfill(MINI, analysis_count=2).request_count == 0
        assert workbench.rows("SELECT * FROM palette_tags WHERE prompt_version = ? ORDER BY ALL", [PLAIN]) == plain
        assert usable(workbench)[PICTURES] == PALETTES
        assert sum(workbench.billed_twice().values()) == 0

    def test_the_version_says_that_it_has_pictures(self, workbench):
        workbench.backfill(MINI, analysis_count=1)
        with_image(workbench, MINI)
        assert dict(workbench.rows("SELECT version, with_image FROM prompt_versions")) == {
            PLAIN: False,
            PICTURES: True,
        }

    def test_both_versions_can_be_found_by_name_and_version(self):
        assert SENDABLE["tagging", PLAIN] is TAGGING
        assert SENDABLE["tagging", PICTURES] is TAGGING_WITH_IMAGE
        assert {PLAIN, PICTURES} <= CURRENT.keys()


class TestOrders:
    def test_an_order_is_pinned_to_its_pictures_and_sent_on_after_a_restart(self, workbench):
        write_figures(workbench.pipeline.warehouse, "anthropic", None, requests=2)
        report = with_image(workbench, HAIKU, analysis_count=2)
        assert report.waiting == 2 * PALETTES - report.request_count > 0
        again = Workbench(workbench.settings, workbench.server)
        for _ in range(2 * PALETTES):
            again.settle()
            again.pipeline.send_on()
        assert usable(again) == {PICTURES: 2 * PALETTES}
        assert billed(again, "requests_with_pictures") == 2 * PALETTES
        assert again.rows("SELECT closed_reason FROM orders") == [("complete",)]
        assert sum(again.billed_twice().values()) == 0

    def test_orders_of_both_versions_are_open_side_by_side(self, workbench):
        write_figures(workbench.pipeline.warehouse, "anthropic", None, requests=1)
        workbench.arm("slow_batch", "anthropic")
        plain = workbench.backfill(HAIKU, analysis_count=1)
        pictures = with_image(workbench, HAIKU)
        assert (plain.order, pictures.order) == (1, 2)
        assert [each.part.prompt_version for each in pictures.orders] == [PICTURES]
        assert [each.counts.asked for each in workbench.pipeline.open_orders()] == [PALETTES, PALETTES]
        assert [each.ended for each in workbench.pipeline.open_orders()] == [None, None]
        assert [each.kind for each in workbench.pipeline.status().orders] == ["tagging", "tagging with pictures"]

    def test_a_lost_creation_is_found_again(self, workbench):
        workbench.arm("create_then_drop", "openai", times=1)
        with_image(workbench, MINI)
        assert workbench.rows("SELECT status FROM tag_batches") == [("reserved",)]
        workbench.pipeline.reconcile(margin_seconds=0)
        workbench.settle()
        assert usable(workbench) == {PICTURES: PALETTES}

    def test_pieces_are_cut_by_bytes_with_the_picture_in(self, workbench, monkeypatch):
        """A batch has room for the bytes of two requests with their pictures, and for three without."""
        catalogue = load_catalogue()
        workbench.backfill(HAIKU, analysis_count=1, dry_run=True)
        (size,) = {batch.request_count for batch in estimate(workbench.pipeline.workspace, order_of(HAIKU), TAGGING)}
        assert size == PALETTES
        small = catalogue.providers["anthropic"].model_copy(update={"max_bytes": 17_500})
        limited = catalogue.model_copy(update={"providers": {**catalogue.providers, "anthropic": small}})
        monkeypatch.setattr(catalogue_module, "load_catalogue", lambda: limited)
        for module in ("reservation", "order_estimate", "order_progress"):
            monkeypatch.setattr(f"grabient_pipeline.batches.{module}.load_catalogue", lambda: limited)
        sent = with_image(workbench, HAIKU)
        files = [batch.request_count for batch in sent.batches]
        assert len(files) > 1
        assert sum(files) == PALETTES
        workbench.settle()
        assert usable(workbench) == {PICTURES: PALETTES}
        sizes = [workbench.server.sandbox.store.content(b.provider, b.input).stat().st_size
                 for b in workbench.provider_batches()]  # fmt: skip
        assert max(sizes) <= 17_500


def order_of(model: str) -> BackfillOrder:
    return BackfillOrder((load_catalogue().model(model),), 1, 25.0, dry_run=True)


class TestCost:
    @pytest.mark.parametrize("model", SEEING)
    def test_the_estimate_knows_the_tokens_of_the_picture(self, workbench, model):
        """What pictures add to the bill is what they add to the estimate, but for the longer prompt."""
        workbench.backfill(model, analysis_count=1)
        with_image(workbench, model)
        workbench.settle()
        statement = """
            SELECT estimated_input_tokens, tokens, estimated_cost_usd, cost_usd
            FROM tag_batches
            JOIN (
                SELECT submission, sum(usage.input_tokens) AS tokens FROM tag_responses GROUP BY submission
            ) USING (submission)
            WHERE prompt_version = ?
        """
        ((plain_estimate, plain_billed, _, _),) = workbench.rows(statement, [PLAIN])
        ((estimated, tokens, estimated_usd, usd),) = workbench.rows(statement, [PICTURES])
        images = load_catalogue().model(model).images
        assert images is not None
        longer = len(TAGGING_WITH_IMAGE.prompt.system) - len(TAGGING.prompt.system)
        for added in (estimated - plain_estimate, tokens - plain_billed):
            assert added / PALETTES == pytest.approx(images.tokens, abs=longer / 4 * 1.3 + 2)
        assert 0 < usd <= estimated_usd * 1.2

    def test_history_of_plain_answers_does_not_mix_in(self, workbench):
        workbench.backfill(MINI, analysis_count=20)
        workbench.settle()
        assert workbench.value("SELECT count(*) FROM palette_tags") >= 50
        (batch,) = estimate(workbench.pipeline.workspace, order_of(MINI), TAGGING_WITH_IMAGE)
        assert batch.estimated_cost_usd / PALETTES * 1e6 > 2833 * 0.075

    def test_room_in_tokens_knows_it(self, workbench):
        write_figures(workbench.pipeline.warehouse, "openai", None, tokens=9_000)
        assert workbench.backfill(MINI, analysis_count=1).request_count == PALETTES
        workbench.settle()
        assert 0 < with_image(workbench, MINI).request_count < PALETTES


class TestConsensus:
    def test_a_trial_with_pictures_does_not_replace_the_consensus_of_the_panel(self, workbench):
        workbench.backfill(MINI, "openai/gpt-5-nano", OSS, analysis_count=1)
        workbench.settle()
        assert shown(workbench) == [PLAIN]
        before = workbench.rows("SELECT * FROM current_consensus ORDER BY seed")
        with_image(workbench, MINI)
        workbench.settle()
        assert shown(workbench) == [PLAIN]
        assert workbench.rows("SELECT * FROM current_consensus ORDER BY seed") == before

    def test_a_person_chooses_pictures_and_takes_it_back(self, workbench):
        workbench.backfill(MINI, analysis_count=1)
        with_image(workbench, MINI)
        workbench.settle()
        workbench.pipeline.count_prompts([PICTURES])
        assert shown(workbench) == [PICTURES]
        workbench.pipeline.count_prompts([])
        assert shown(workbench) == [PLAIN]
        workbench.pipeline.count_prompts([PLAIN, PICTURES])
        assert shown(workbench) == [PICTURES], "both are chosen, and the newest counts"

    def test_where_there_is_no_other_answer_they_count(self, workbench):
        with_image(workbench, MINI)
        workbench.settle()
        assert shown(workbench) == [PICTURES]
        workbench.backfill(MINI, analysis_count=1, limit=1)
        workbench.settle()
        count_consensus(workbench.pipeline.warehouse)
        assert dict(workbench.rows("SELECT prompt_version, count(*) FROM current_consensus GROUP BY ALL")) == {
            PLAIN: 1,
            PICTURES: PALETTES - 1,
        }

    def test_the_list_of_prompts_says_how_each_counts(self, workbench):
        with_image(workbench, MINI)
        versions = {each.version: each for each in workbench.pipeline.list_prompts()}
        assert (versions[PICTURES].with_image, versions[PICTURES].counts_last) == (True, True)
        assert (versions[PLAIN].with_image, versions[PLAIN].counts_last) == (False, False)
        workbench.pipeline.count_prompts([PICTURES])
        versions = {each.version: each for each in workbench.pipeline.list_prompts()}
        assert (versions[PICTURES].counts, versions[PICTURES].counts_last) == (True, False)

    def test_answers_of_one_version_are_not_stale_places_of_the_other(self, workbench):
        with_image(workbench, MINI)
        workbench.settle()
        plan = Pipeline(workbench.settings, workbench.environment).plan(1)
        (mini,) = [each for each in plan.models if f"{each.provider}/{each.model}" == MINI]
        assert (mini.requests, mini.stale) == (PALETTES, 0)


class TestAdoption:
    def test_batches_that_a_lost_ledger_sent_come_back_with_their_version(self, workbench):
        with_image(workbench, MINI)
        workbench.wait()
        for table in ("tag_batches", "tag_requests", "request_claims", "prompt_versions", "orders", "order_parts"):
            workbench.rows(f"DELETE FROM {table}")  # noqa: S608
        workbench.pipeline.adopt()
        assert workbench.rows("SELECT version, with_image FROM prompt_versions") == [(PICTURES, True)]
        images = load_catalogue().model(MINI).images
        assert images is not None
        assert workbench.value("SELECT estimated_input_tokens FROM tag_batches") > PALETTES * images.tokens
        workbench.settle()
        assert usable(workbench) == {PICTURES: PALETTES}
        assert with_image(workbench, MINI).request_count == 0


class TestScorecard:
    def test_both_prompts_are_compared_on_what_both_have(self, workbench):
        workbench.backfill(MINI, OSS, analysis_count=1)
        with_image(workbench, MINI, limit=2)
        workbench.settle()
        compared = workbench.pipeline.compare_prompts()
        assert list(compared) == [PLAIN, PICTURES]
        assert {version: [(each.name, each.requests) for each in scores] for version, scores in compared.items()} == {
            PLAIN: [(MINI, 2)],
            PICTURES: [(MINI, 2)],
        }
        assert [each.cost_per_usable_usd for each in compared[PICTURES]] > [
            each.cost_per_usable_usd for each in compared[PLAIN]
        ]
        assert {each.name for each in workbench.pipeline.compare_prompts([PLAIN])[PLAIN]} == {MINI, OSS}

    def test_the_stored_scorecard_stays_that_of_the_panel(self, workbench):
        workbench.backfill(MINI, analysis_count=1)
        workbench.settle()
        with_image(workbench, MINI)
        workbench.settle()
        assert {each.prompt_version for each in workbench.pipeline.score_models()} == {PLAIN}
        workbench.pipeline.count_prompts([PICTURES])
        assert {each.prompt_version for each in workbench.pipeline.score_models()} == {PICTURES}


def test_with_image_is_off_by_default():
    assert BackfillRequest().with_image is False
