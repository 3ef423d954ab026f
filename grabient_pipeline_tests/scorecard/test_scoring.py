"""The scorecard from real tables: small cases worked out by hand, and the models of the sandbox."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grabient_pipeline.batches import collect as collect_module
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.scorecard import read_scores, score_models
from grabient_pipeline.scorecard.plot import plot_scores
from grabient_pipeline.tagging import ParsedAnswer, Tags
from grabient_pipeline.warehouse import connect
from grabient_pipeline_tests.catalogue import ENABLED

MINI, NANO = "openai/gpt-4o-mini", "openai/gpt-5-nano"
OSS = "groq/openai/gpt-oss-20b"
PALETTES = 3


def parsed(**fields):
    empty = {"mood": (), "style": (), "harmony": (), "temperature": None, "contrast": None, "brightness": None}
    return ParsedAnswer(Tags(**{**empty, "saturation": None, "seasonal": (), "associations": (), **fields}), None)


@pytest.fixture
def answers(workbench, monkeypatch):
    """Make each model give the same answer to every request."""

    def answer(**by_model):
        for model, answer in by_model.items():
            name = {"mini": MINI, "nano": NANO, "oss": OSS}[model]
            with monkeypatch.context() as patched:
                patched.setitem(
                    collect_module.STAGES, "tagging", replace(TAGGING, parse=lambda *_, answer=answer: answer)
                )
                workbench.backfill(name, analysis_count=1)
                workbench.settle()
        return {score.model: score for score in score_models(workbench.pipeline.warehouse)}

    return answer


def test_without_answers_there_is_no_scorecard(workbench):
    assert score_models(workbench.pipeline.warehouse) == []
    assert plot_scores([]) is None


def test_a_single_model_has_no_comparison_with_others(answers):
    (score,) = answers(mini=parsed(mood=("calm",), contrast="high")).values()
    assert (score.requests, score.usable, score.usable_share) == (PALETTES, PALETTES, 1.0)
    assert score.open_overlap is None
    assert score.alpha_with_others is None
    assert score.winners_changed is None
    assert score.quality == score.measured_agreement
    assert score.efficient


def test_measured_agreement_is_the_share_of_correct_attributes(workbench, answers):
    measured = workbench.rows("SELECT contrast FROM palettes")
    share = sum(contrast == "high" for (contrast,) in measured) / len(measured)
    score = answers(mini=parsed(mood=("x",), contrast="high"))["gpt-4o-mini"]
    assert score.contrast_agreement == pytest.approx(share)
    assert score.temperature_agreement == 0, "a missing attribute counts as wrong"
    assert score.measured_agreement == pytest.approx(share / 4)


def test_overlap_is_the_share_of_other_models_with_the_same_tag(answers):
    scores = answers(
        mini=parsed(mood=("calm", "airy"), style=("deco",)),
        nano=parsed(mood=("calm",), style=("retro",)),
        oss=parsed(mood=("calm", "airy")),
    )
    # Both other models say calm, one of the two says airy.
    assert scores["gpt-4o-mini"].mood_overlap == pytest.approx((1 + 0.5) / 2)
    assert scores["gpt-5-nano"].mood_overlap == pytest.approx(1)
    assert scores["gpt-4o-mini"].style_overlap == 0
    assert scores["openai/gpt-oss-20b"].style_overlap is None
    assert scores["gpt-5-nano"].associations_overlap is None


def test_influence_is_what_changes_without_a_model(answers):
    scores = answers(
        mini=parsed(mood=("calm",), contrast="high"),
        nano=parsed(mood=("calm",), contrast="low"),
        oss=parsed(mood=("wild",), contrast="low"),
    )
    # Without nano there is a tie, and "high" comes first by name; without mini, "low" still wins.
    assert scores["gpt-5-nano"].winners_changed == 1
    assert scores["gpt-4o-mini"].winners_changed == 0
    # "wild" disappears without the only model that says it; "calm" stays without either of the other two.
    assert scores["openai/gpt-oss-20b"].top_tags_changed == pytest.approx(0.5)
    assert scores["gpt-4o-mini"].top_tags_changed == 0


def test_a_model_with_only_failures_has_a_cost_but_no_quality(answers):
    scores = answers(mini=parsed(mood=("calm",)), nano=ParsedAnswer(None, "refused: no"))
    failed = scores["gpt-5-nano"]
    assert (failed.requests, failed.usable, failed.usable_share) == (PALETTES, 0, 0.0)
    assert failed.failure_reasons == (("refused", PALETTES),)
    assert failed.cost_usd > 0
    assert failed.cost_per_usable_usd is None
    assert failed.quality is None
    assert not failed.efficient
    assert plot_scores(list(scores.values()))


@pytest.mark.parametrize("length", [20, 60, 140])
def test_two_models_are_plotted_without_a_warning_of_the_layout(answers, length, recwarn):
    scores = [
        replace(score, model=score.model.ljust(length, "m"))
        for score in answers(mini=parsed(mood=("calm",)), nano=parsed(mood=("wild",))).values()
    ]
    assert len(scores) == 2
    assert plot_scores([replace(score, quality=0.5) for score in scores])
    assert plot_scores(scores)
    assert [str(warning.message) for warning in recwarn if issubclass(warning.category, UserWarning)] == []


def test_every_attempt_counts(workbench, answers):
    answers(mini=ParsedAnswer(None, "empty: x"))
    score = answers(mini=parsed(mood=("calm",)))["gpt-4o-mini"]
    assert (score.requests, score.usable, score.usable_share) == (2 * PALETTES, PALETTES, 0.5)
    assert score.failure_reasons == (("retried", PALETTES),)
    assert score.cost_usd == pytest.approx(workbench.value("SELECT sum(cost_usd) FROM tag_batches"))
    assert score.cost_per_usable_usd == pytest.approx(score.cost_usd / PALETTES)


class TestOnTheSandbox:
    @pytest.fixture
    def scored(self, workbench):
        workbench.backfill(analysis_count=2, max_cost_usd=1e9)
        workbench.settle()
        return workbench, workbench.pipeline.score_models()

    def test_every_default_model_is_compared(self, scored):
        workbench, scores = scored
        assert len(scores) == len(ENABLED)
        assert any(score.efficient for score in scores)
        assert [score.quality for score in scores] == sorted((score.quality for score in scores), reverse=True)
        assert sum(score.cost_usd for score in scores) == pytest.approx(
            workbench.value("SELECT sum(cost_usd) FROM tag_batches")
        )
        for score in scores:
            assert 0 < score.measured_agreement <= 1
            assert 0 < score.open_overlap <= 1
            assert -1 <= score.alpha_with_others <= 1
            assert score.median_hours >= 0

    def test_stored_scores_are_read_back_unchanged(self, scored):
        workbench, scores = scored
        with connect(workbench.settings.data_dir) as connection:
            assert read_scores(connection) == scores

    def test_scoring_is_repeatable(self, scored):
        workbench, scores = scored
        assert workbench.pipeline.score_models() == scores

    def test_the_plot_is_small(self, scored):
        _, scores = scored
        image = plot_scores(scores)
        assert image is not None
        assert image.startswith(b"\x89PNG")
        assert len(image) < 80_000
