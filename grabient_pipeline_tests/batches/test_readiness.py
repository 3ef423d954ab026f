"""A palette is refined when every analysis that an open order wants of it is settled."""

from __future__ import annotations

import pytest

from grabient_pipeline.batches.ledger import MAX_FAILURES
from grabient_pipeline.batches.missing import Wanted, count_unsettled, last_palette, missing_palettes
from grabient_pipeline.batches.orders import RefinementRequest
from grabient_pipeline.batches.readiness import NOTHING_BLOCKED, Blocked
from grabient_pipeline.batches.stages import REFINEMENT, TAGGING, refining_now, refreshing_stale
from grabient_pipeline.providers.catalogue import load_catalogue

PALETTES = 3
MINI = "openai/gpt-4o-mini"
FLASH = "google/gemini-2.5-flash-lite"
OSS = "groq/openai/gpt-oss-20b"
REFINER = load_catalogue().model("anthropic/claude-opus-4-5-20251101")


@pytest.fixture
def tagged(workbench):
    """Three palettes that MINI has described twice, with a consensus; no order is open."""
    workbench.backfill(MINI, analysis_count=2)
    workbench.settle()
    workbench.pipeline.count_consensus()
    want(workbench)
    assert ready(workbench) == seeds(workbench)
    return workbench


def seeds(workbench):
    return [seed for (seed,) in workbench.rows("SELECT seed FROM palettes ORDER BY created_at, seed")]


def want(workbench, *orders):
    """Leave these orders open and no others: (models, analysis_count, options) each."""
    workbench.rows("UPDATE orders SET closed_at = now(), closed_reason = 'complete' WHERE closed_at IS NULL")
    workbench.rows("UPDATE order_parts SET closed_at = now(), closed_reason = 'complete' WHERE closed_at IS NULL")
    numbers = []
    for models, count, options in orders:
        number = workbench.value("SELECT coalesce(max(number), 0) + 1 FROM orders")
        numbers.append(number)
        workbench.rows(
            "INSERT INTO orders BY NAME SELECT $number AS number, 'tagging' AS stage, $count AS analysis_count, "
            "$prompt AS prompt_version, 1 AS max_cost_usd, false AS include_retired, false AS refresh_stale, "
            "false AS refine_now, $late AS when_late, 1 AS estimated_requests, 1 AS estimated_cost_usd, "
            "now() AS created_at",
            {
                "number": number,
                "count": count,
                "prompt": options.get("prompt", TAGGING.prompt.version),
                "late": options.get("when_late"),
            },
        )
        for name in models:
            model = load_catalogue().model(name)
            workbench.rows(
                "INSERT INTO order_parts BY NAME SELECT $number AS order_number, $provider AS provider, "
                "$model AS model, 'batch' AS access, created_at AS last_palette_at, seed AS last_seed, "
                "1 AS estimated_requests, 1 AS estimated_cost_usd FROM palettes "
                "ORDER BY created_at, seed LIMIT 1 OFFSET $last",
                {
                    "number": number,
                    "provider": model.provider,
                    "model": model.id,
                    "last": options.get("palettes", PALETTES) - 1,
                },
            )
    return numbers


def record(workbench, name, state, *, indexes=(0,), times=1, submission="made-up", only=None):
    """Record requests of a model in a state, about each palette or `only` these."""
    model = load_catalogue().model(name)
    for seed in only or seeds(workbench):
        for index in indexes:
            for _ in range(times):
                workbench.rows(
                    "INSERT INTO tag_requests BY NAME SELECT uuid()::VARCHAR AS custom_id, $submission AS submission, "
                    "'tagging' AS stage, $seed AS seed, $provider AS provider, $model AS model, "
                    "$index AS analysis_index, $prompt AS prompt_version, 1 AS attempt, $state AS state",
                    {
                        "submission": submission,
                        "seed": seed,
                        "provider": model.provider,
                        "model": model.id,
                        "index": index,
                        "prompt": TAGGING.prompt.version,
                        "state": state,
                    },
                )


def ready(workbench, blocked=NOTHING_BLOCKED, stage=REFINEMENT):
    with workbench.pipeline.warehouse.connect() as connection:
        wanted = Wanted(stage, REFINER, 1, last_palette(connection), blocked=blocked)
        return list(missing_palettes(connection, wanted).subjects)


def unsettled(workbench, limit=None):
    with workbench.pipeline.warehouse.connect() as connection:
        wanted = Wanted(refining_now(REFINEMENT), REFINER, 1, last_palette(connection))
        return count_unsettled(connection, wanted, limit)


def age(workbench, hours):
    workbench.rows("UPDATE palette_tags SET created_at = created_at - to_seconds($s)", {"s": 3600 * hours})


class TestWhatAnOrderWants:
    def test_holds_a_palette_until_every_model_has_answered(self, tagged):
        want(tagged, ([MINI, FLASH], 2, {}))
        assert ready(tagged) == []
        record(tagged, FLASH, "succeeded", indexes=(0,))
        assert ready(tagged) == []
        first, *_ = seeds(tagged)
        record(tagged, FLASH, "succeeded", indexes=(1,), only=[first])
        assert ready(tagged) == [first]

    def test_is_no_longer_wanted_when_the_order_is_closed(self, tagged):
        want(tagged, ([MINI, FLASH], 2, {}))
        want(tagged)
        assert ready(tagged) == seeds(tagged)

    def test_is_no_longer_wanted_when_the_part_of_its_model_is_closed(self, tagged):
        want(tagged, ([MINI, FLASH], 2, {}))
        tagged.rows("UPDATE order_parts SET closed_at = now(), closed_reason = 'retired' WHERE provider = 'google'")
        assert ready(tagged) == seeds(tagged)

    def test_the_greater_count_of_two_orders_counts(self, tagged):
        want(tagged, ([MINI], 2, {}), ([MINI], 3, {"palettes": 1}))
        assert ready(tagged) == seeds(tagged)[1:]
        record(tagged, MINI, "succeeded", indexes=(2,))
        assert ready(tagged) == seeds(tagged)

    def test_palettes_after_the_last_of_the_order_are_not_held(self, tagged):
        want(tagged, ([FLASH], 1, {"palettes": 2}))
        assert ready(tagged) == seeds(tagged)[2:]

    def test_answers_to_another_prompt_count_unless_all_is_asked_again(self, tagged):
        (number,) = want(tagged, ([MINI], 1, {"prompt": "000000000000"}))
        assert ready(tagged) == seeds(tagged)
        tagged.rows("UPDATE orders SET ask_again = true WHERE number = ?", [number])
        assert ready(tagged) == []

    def test_answers_of_an_ended_model_count_for_the_one_that_has_its_place(self, tagged):
        (number,) = want(tagged, (["anthropic/claude-haiku-5-5"], 1, {}))
        record(tagged, "anthropic/claude-3-5-haiku-20241022", "succeeded")
        assert ready(tagged) == []
        tagged.rows(
            "UPDATE order_parts SET place = 'anthropic/claude-3-5-haiku-20241022' WHERE order_number = ?", [number]
        )
        assert ready(tagged) == seeds(tagged)

    def test_answers_beyond_the_count_do_not_count(self, tagged):
        want(tagged, ([FLASH], 1, {}))
        record(tagged, FLASH, "succeeded", indexes=(1,))
        assert ready(tagged) == []

    def test_orders_of_refinements_hold_nothing(self, tagged):
        want(tagged, ([REFINER.name], 1, {}))
        tagged.rows("UPDATE orders SET stage = 'refinement'")
        assert ready(tagged) == seeds(tagged)

    @pytest.mark.parametrize("open_order", [False, True])
    def test_a_request_in_flight_holds_whoever_ordered_it(self, tagged, open_order):
        want(tagged, *([([MINI], 2, {})] if open_order else []))
        first, *others = seeds(tagged)
        record(tagged, OSS, "in_flight", only=[first])
        assert ready(tagged) == others

    def test_a_real_backfill_in_flight_holds_until_it_is_collected(self, tagged):
        tagged.backfill(FLASH, analysis_count=1)
        want(tagged)
        assert ready(tagged) == []
        tagged.settle()
        tagged.pipeline.count_consensus()
        assert ready(tagged) == seeds(tagged)

    def test_stale_refinements_wait_too(self, tagged):
        tagged.pipeline.refine(RefinementRequest())
        tagged.settle()
        want(tagged)
        tagged.rows("UPDATE palette_tag_consensus SET digest = digest || 'x'")
        stale = refreshing_stale(REFINEMENT)
        assert (ready(tagged), ready(tagged, stage=stale)) == ([], seeds(tagged))
        want(tagged, ([FLASH], 1, {}))
        assert ready(tagged, stage=stale) == []
        assert ready(tagged, stage=refining_now(stale)) == seeds(tagged)


class TestSettledWithoutAnswer:
    def test_failures_hold_until_the_quarantine(self, tagged):
        want(tagged, ([MINI, FLASH], 1, {}))
        record(tagged, FLASH, "failed", times=MAX_FAILURES - 1)
        assert ready(tagged) == []
        record(tagged, FLASH, "failed")
        assert ready(tagged) == seeds(tagged)

    def test_failures_before_a_success_are_not_counted_twice(self, tagged):
        want(tagged, ([FLASH], 2, {}))
        record(tagged, FLASH, "failed", times=MAX_FAILURES)
        record(tagged, FLASH, "succeeded")
        assert ready(tagged) == []

    def test_released_requests_hold(self, tagged):
        want(tagged, ([FLASH], 1, {}))
        record(tagged, FLASH, "released", times=5)
        assert ready(tagged) == []

    @pytest.mark.parametrize("when_late", ["leave", "again", None])
    def test_what_a_late_batch_left(self, tagged, when_late):
        (number,) = want(tagged, ([MINI], 2, {"when_late": when_late}))
        record(tagged, MINI, "released", indexes=(1,))
        tagged.rows("UPDATE tag_requests SET state = 'released' WHERE state = 'succeeded' AND analysis_index = 1")
        assert ready(tagged) == []
        tagged.rows("UPDATE tag_batches SET late_at = now(), order_number = $number", {"number": number})
        assert ready(tagged) == (seeds(tagged) if when_late == "leave" else [])

    def test_what_one_order_leaves_another_may_want(self, tagged):
        first, _ = want(tagged, ([MINI], 2, {"when_late": "leave"}), ([MINI], 1, {"when_late": "leave"}))
        tagged.rows("UPDATE tag_requests SET state = 'released' WHERE analysis_index = 0")
        tagged.rows("UPDATE tag_batches SET late_at = now(), order_number = $number", {"number": first})
        assert ready(tagged) == []


class TestModelsThatCannotBeAsked:
    def pause(self, workbench, name=FLASH):
        model = load_catalogue().model(name)
        workbench.rows(
            "INSERT INTO paused_models BY NAME SELECT $p AS provider, $m AS model, 'x' AS reason, now() AS paused_at",
            {"p": model.provider, "m": model.id},
        )

    def test_a_paused_model_holds_until_the_newest_answer_is_old_enough(self, tagged):
        tagged.rows("UPDATE config SET refine_share = 0.5")
        want(tagged, ([MINI, FLASH], 2, {}))
        self.pause(tagged)
        assert ready(tagged) == []
        age(tagged, 47)
        assert ready(tagged) == []
        age(tagged, 2)
        assert ready(tagged) == seeds(tagged)
        tagged.rows("UPDATE config SET refine_after_hours = 100")
        assert ready(tagged) == []

    def test_a_resumed_model_holds(self, tagged):
        want(tagged, ([MINI, FLASH], 2, {}))
        self.pause(tagged)
        age(tagged, 100)
        tagged.rows("UPDATE config SET refine_share = 0.5")
        assert ready(tagged) == seeds(tagged)
        tagged.rows("UPDATE paused_models SET resumed_at = now()")
        assert ready(tagged) == []

    @pytest.mark.parametrize(("share", "ready_then"), [(0.5, True), (0.6, False)])
    def test_enough_of_the_models_must_have_answered(self, tagged, share, ready_then):
        want(tagged, ([MINI, FLASH], 2, {}))
        self.pause(tagged)
        age(tagged, 100)
        tagged.rows("UPDATE config SET refine_share = $share", {"share": share})
        assert bool(ready(tagged)) is ready_then

    def test_models_that_answered_an_earlier_order_count_as_asked(self, tagged):
        want(tagged, ([FLASH], 2, {}))
        self.pause(tagged)
        age(tagged, 100)
        assert ready(tagged) == []
        tagged.rows("UPDATE config SET refine_share = 0.5")
        assert ready(tagged) == seeds(tagged)

    @pytest.mark.parametrize("names", [["google"], [FLASH]])
    def test_providers_without_a_key_and_models_named_by_the_caller(self, tagged, names):
        want(tagged, ([MINI, FLASH], 2, {}))
        age(tagged, 100)
        tagged.rows("UPDATE config SET refine_share = 0.5")
        assert ready(tagged) == []
        assert ready(tagged, Blocked(models=names)) == seeds(tagged)

    def test_an_order_at_its_cap(self, tagged):
        capped, other = want(tagged, ([FLASH], 1, {}), ([FLASH], 1, {"palettes": 1}))
        age(tagged, 100)
        tagged.rows("UPDATE config SET refine_share = 0.5")
        assert ready(tagged, Blocked(orders=[capped])) == seeds(tagged)[1:]
        assert ready(tagged, Blocked(orders=[capped, other])) == seeds(tagged)

    def test_a_model_that_merely_waits_goes_on_holding(self, tagged):
        want(tagged, ([MINI, FLASH, OSS], 2, {}))
        self.pause(tagged)
        age(tagged, 100)
        tagged.rows("UPDATE config SET refine_share = 0.1")
        assert ready(tagged) == []
        record(tagged, OSS, "succeeded", indexes=(0, 1))
        assert ready(tagged) == seeds(tagged)

    def test_a_request_in_flight_goes_on_holding(self, tagged):
        want(tagged, ([FLASH], 1, {}))
        self.pause(tagged)
        age(tagged, 100)
        tagged.rows("UPDATE config SET refine_share = 0.5")
        record(tagged, FLASH, "in_flight")
        assert ready(tagged) == []


class TestRefiningNow:
    def test_takes_everything_with_a_consensus_that_is_not_refined(self, tagged):
        want(tagged, ([MINI, FLASH], 2, {}))
        record(tagged, OSS, "in_flight")
        assert ready(tagged) == []
        assert ready(tagged, stage=refining_now(REFINEMENT)) == seeds(tagged)

    def test_counts_what_would_be_stale(self, tagged):
        assert unsettled(tagged) == 0
        want(tagged, ([MINI, FLASH], 2, {"palettes": 2}))
        assert (unsettled(tagged), unsettled(tagged, limit=1)) == (2, 1)
        record(tagged, FLASH, "succeeded", indexes=(0, 1))
        assert unsettled(tagged) == 0
        record(tagged, OSS, "in_flight", only=seeds(tagged)[:1])
        assert unsettled(tagged) == 1

    def test_the_report_says_how_many_would_be_stale(self, tagged):
        want(tagged, ([MINI, FLASH], 2, {"palettes": 2}))
        assert tagged.pipeline.refine(RefinementRequest(now=False)).batches.request_count == 1
        planned = tagged.pipeline.refine(RefinementRequest(now=True, dry_run=True))
        assert (planned.batches.request_count, planned.unsettled_palettes) == (2, 2)
        report = tagged.pipeline.refine(RefinementRequest(now=True))
        assert (report.batches.request_count, report.unsettled_palettes) == (2, 2)
        again = tagged.pipeline.refine(RefinementRequest(now=True))
        assert (again.batches.request_count, again.unsettled_palettes) == (0, 0)


def test_a_subject_carries_what_it_stands_on(tagged):
    with tagged.pipeline.warehouse.connect() as connection:
        subjects = missing_palettes(connection, Wanted(REFINEMENT, REFINER, 1, last_palette(connection))).subjects
    counted = tagged.rows(
        "SELECT total_models, total_analyses FROM current_consensus JOIN palettes USING (seed) "
        "ORDER BY palettes.created_at, seed"
    )
    assert [(subject.basis_models, subject.basis_answers) for subject in subjects.values()] == counted


@pytest.mark.parametrize("basis", [(1, 2), (None, None)])
def test_a_refinement_keeps_what_it_stood_on(tagged, basis):
    tagged.pipeline.refine(RefinementRequest())
    models, answers = basis
    tagged.rows(
        "UPDATE tag_requests SET basis_models = $models, basis_answers = $answers WHERE stage = 'refinement'",
        {"models": models, "answers": answers},
    )
    tagged.settle()
    tagged.pipeline.refine_answers()
    assert set(tagged.rows("SELECT consensus_models, consensus_answers FROM current_refinement")) == {basis}
