"""Prompt versions are listed, compared and chosen; a plan shows what a changed prompt makes stale and its cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grabient_pipeline.batches import prompt_versions as prompts
from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.convex import steps
from grabient_pipeline.errors import UnknownPromptError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline.tagging import REFINEMENT_PROMPT, TAGGING_IMAGE_PROMPT, TAGGING_PROMPT
from grabient_pipeline_tests import convex_exports as exports
from grabient_pipeline_tests.catalogue import ENABLED
from grabient_pipeline_tests.conftest import copy_template

MINI = "openai/gpt-4o-mini"


@pytest.fixture(scope="module")
def convex_template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moved")
    migrated = Pipeline(Settings(folder, sandbox=True), {})
    steps.import_convex(migrated, exports.write_zip(folder / "export.zip", exports.export("cycles")))
    return folder


@pytest.fixture
def pipeline(tmp_path, convex_template):
    """Three palettes with responses to two old prompts, one per model and prompt."""
    return Pipeline(copy_template(convex_template, tmp_path / "data", sandbox=True), {})


def current(pipeline):
    with pipeline.warehouse.connect() as connection:
        rows = connection.execute("SELECT DISTINCT prompt_version FROM current_consensus").fetchall()
    return {version for (version,) in rows}


def test_every_version_is_listed_with_its_responses_and_cost(pipeline):
    versions = {each.version: each for each in pipeline.list_prompts()}
    assert versions.keys() == {
        exports.VERSION,
        exports.NEWER_VERSION,
        exports.REFINEMENT_VERSION,
        TAGGING_PROMPT.version,
        TAGGING_IMAGE_PROMPT.version,
        REFINEMENT_PROMPT.version,
    }
    old = versions[exports.VERSION]
    assert (old.stage, old.answers, old.usable, old.palettes, old.models) == ("tagging", 30, 30, 3, 10)
    assert old.cost_usd > 0
    assert not old.current
    today = versions[TAGGING_PROMPT.version]
    assert (today.current, today.created_at, today.answers) == (True, None, 0)
    assert all(each.counts for each in versions.values())


def test_a_version_is_registered_when_it_is_first_sent(workbench):
    workbench.backfill(MINI, analysis_count=1)
    sent = workbench.pipeline.find_prompt(TAGGING_PROMPT.version)
    assert sent.created_at is not None
    assert sent.content == TAGGING_PROMPT.content


def test_a_version_is_found_by_an_unambiguous_prefix(pipeline):
    assert pipeline.find_prompt("1b63").version == exports.VERSION
    for unknown in ("x", ""):
        with pytest.raises(UnknownPromptError, match="there is no prompt version"):
            pipeline.find_prompt(unknown)
    with pipeline.warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO prompt_versions (version, stage, content, created_at) VALUES ('1b63ff', 'tagging', 'x', now())"
        )
    with pytest.raises(UnknownPromptError, match="2 prompt versions begin with '1b63'"):
        pipeline.find_prompt("1b63")


def test_a_difference_is_shown_line_by_line(pipeline):
    old, newer = pipeline.find_prompt(exports.VERSION), pipeline.find_prompt(exports.NEWER_VERSION)
    assert prompts.diff_prompts(old, newer).splitlines() == [
        f"--- {exports.VERSION}",
        f"+++ {exports.NEWER_VERSION}",
        "@@ -1,2 +1,2 @@",
        " You tag palettes.",
        "-Version 0.",
        "+Version 1.",
    ]
    assert prompts.diff_prompts(old, old) == ""


def test_a_changed_line_of_our_own_prompt_is_a_single_line_of_the_difference(pipeline):
    """The stored content is JSON, in which a whole prompt is one line."""
    today = pipeline.find_prompt(TAGGING_PROMPT.version)
    changed = replace(TAGGING_PROMPT, system=TAGGING_PROMPT.system.replace("mood: 2 to 5", "mood: 3 to 6"))
    difference = prompts.diff_prompts(today, replace(today, version="changed", content=changed.content)).splitlines()
    assert sum(line.startswith("+") for line in difference) == 2
    assert sum(line.startswith("-") for line in difference) == 2


class TestCounting:
    def test_by_default_the_newest_version_counts(self, pipeline):
        assert current(pipeline) == {exports.NEWER_VERSION}

    def test_only_chosen_versions_count(self, pipeline):
        counting = pipeline.count_prompts([exports.VERSION])
        assert current(pipeline) == {exports.VERSION}
        # No version of the other stage was chosen, so all of them count.
        assert {each.version for each in counting} == {
            exports.VERSION,
            exports.REFINEMENT_VERSION,
            REFINEMENT_PROMPT.version,
        }
        assert pipeline.status().refined == 3

    def test_of_several_chosen_versions_the_newest_with_a_response_counts(self, pipeline):
        pipeline.count_prompts([exports.VERSION, exports.NEWER_VERSION])
        assert current(pipeline) == {exports.NEWER_VERSION}

    def test_refinements_of_versions_that_were_not_chosen_do_not_count(self, pipeline):
        pipeline.count_prompts([REFINEMENT_PROMPT.version])
        assert pipeline.status().refined == 0
        with pipeline.warehouse.connect() as connection:
            sources = connection.execute("SELECT DISTINCT text_source FROM searchable_palettes").fetchall()
        assert sources == [("consensus",)]

    def test_choosing_none_lets_every_version_count_again(self, pipeline):
        pipeline.count_prompts([exports.VERSION])
        pipeline.count_prompts([])
        assert current(pipeline) == {exports.NEWER_VERSION}
        assert all(each.counts for each in pipeline.list_prompts())

    def test_an_unknown_version_changes_nothing(self, pipeline):
        pipeline.count_prompts([exports.VERSION])
        with pytest.raises(UnknownPromptError):
            pipeline.count_prompts([exports.NEWER_VERSION, "none"])
        assert current(pipeline) == {exports.VERSION}


class TestPlan:
    def test_stale_responses_are_counted_and_their_replacement_is_estimated(self, pipeline):
        planned = pipeline.plan(analysis_count=2)
        assert len(planned.models) == len(ENABLED)
        counts = {(m.provider, m.model): (m.answered, m.stale, m.requests) for m in planned.models}
        assert counts == {(m.provider, m.id): (0, 6 if (m.provider, m.id) in exports.MODELS else 0, 6) for m in ENABLED}
        assert not any(model.has_key for model in planned.models)
        assert planned.requests == 6 * len(ENABLED)
        assert planned.tagging_cost_usd == pytest.approx(sum(model.estimated_cost_usd for model in planned.models))
        assert planned.tagging_cost_usd > 0
        assert (planned.refinements, planned.stale_refinements) == (3, 3)
        assert planned.refinement_cost_usd > 0

    def test_a_backfill_submits_what_was_planned(self, workbench):
        planned = workbench.pipeline.plan(analysis_count=1)
        (mini,) = [model for model in planned.models if model.model == "gpt-4o-mini"]
        assert (mini.answered, mini.stale, mini.requests, mini.has_key) == (0, 0, 3, True)
        report = workbench.backfill(MINI, analysis_count=1)
        assert report.request_count == mini.requests
        assert report.estimated_cost_usd == pytest.approx(mini.estimated_cost_usd)
        workbench.settle()
        (mini,) = [model for model in workbench.pipeline.plan(1).models if model.model == "gpt-4o-mini"]
        assert mini.answered == workbench.value("SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL")

    def test_planning_calls_no_provider_and_writes_nothing(self, workbench):
        before = workbench.settings.warehouse.read_bytes()
        workbench.pipeline.plan()
        assert not workbench.server.sandbox.requests
        assert workbench.settings.warehouse.read_bytes() == before

    def test_without_a_refining_model_no_refinement_is_planned(self, pipeline):
        off = Pipeline(replace(pipeline.settings, refinement_model=None), {})
        planned = off.plan()
        assert (planned.refining_model, planned.refinements, planned.refinement_cost_usd) == (None, 0, 0)

    def test_a_plan_equals_the_dry_run_of_a_backfill(self, pipeline):
        planned = pipeline.plan(analysis_count=4)
        environment = {"OPENAI_API_KEY": "key"}
        with_key = Pipeline(pipeline.settings, environment)
        request = BackfillRequest(models=[MINI], analysis_count=4, dry_run=True)
        report = with_key.backfill(replace(request, anew=True))
        (mini,) = [model for model in planned.models if model.model == "gpt-4o-mini"]
        assert mini.requests == report.request_count == 12
        # By default, what an older prompt was answered is not asked again.
        assert with_key.backfill(request).request_count == 6
        assert planned.missing_requests == planned.requests - 6 * len(exports.MODELS)
