"""The books against the bills: what the sandbox billed, at prices written down here, is what the pipeline says."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import NamedTuple
from zlib import crc32

import pytest

from grabient_pipeline.batches.backfill import make_order
from grabient_pipeline.batches.costs import relative_shares
from grabient_pipeline.batches.estimate import Estimator
from grabient_pipeline.batches.orders import BackfillRequest, RefinementRequest, resolve_backfill
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import CostCapError
from grabient_pipeline.palette import describe_palettes
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.chat_completions import ChatCompletionBatches
from grabient_pipeline.settings import PROJECT_ROOT, Settings
from grabient_pipeline.tagging import user_message
from grabient_pipeline.warehouse import Warehouse, schema


class UsdPerMillion(NamedTuple):
    """What the providers' pages say that a batch costs."""

    input: float
    cached: float
    written: float
    output: float


# gpt-4o-mini has no batch price of cached input, Groq's discounts do not add up, and Google's cached input costs the
# same in a batch as outside of one.
IN_BATCHES = {
    ("openai", "gpt-4o-mini"): UsdPerMillion(0.075, 0.075, 0.075, 0.30),
    ("openai", "gpt-5-nano"): UsdPerMillion(0.025, 0.0025, 0.025, 0.20),
    ("openai", "gpt-6-luna"): UsdPerMillion(0.05, 0.005, 0.0625, 0.25),
    ("groq", "openai/gpt-oss-120b"): UsdPerMillion(0.075, 0.075, 0.075, 0.30),
    ("google", "gemini-2.5-flash-lite"): UsdPerMillion(0.05, 0.01, 0.05, 0.20),
    ("anthropic", "claude-haiku-4-5-20251001"): UsdPerMillion(0.50, 0.05, 0.625, 2.50),
    ("anthropic", "claude-opus-4-5-20251101"): UsdPerMillion(2.50, 0.25, 3.125, 12.50),
}
NANO = UsdPerMillion(0.05, 0.005, 0.05, 0.40)
FLEX, STANDARD = 0.5, 1.0
MODELS = [f"{provider}/{model}" for provider, model in IN_BATCHES if "opus" not in model]


def cost(bill, price, share=STANDARD):
    fresh = bill.input_tokens - bill.cached_tokens - bill.cache_write_tokens
    return share * (
        fresh * price.input / 1e6
        + bill.cached_tokens * price.cached / 1e6
        + bill.cache_write_tokens * price.written / 1e6
        + bill.output_tokens * price.output / 1e6
    )


def exactly(usd):
    return pytest.approx(usd, rel=1e-9, abs=1e-12)


def bills(workbench):
    return list(workbench.server.sandbox.billing.bills())


@pytest.fixture
def booked(workbench):
    """Three palettes tagged three times by models of all providers, in two rounds, and refined."""
    for count in (2, 3):
        assert not workbench.backfill(*MODELS, analysis_count=count).failures
        workbench.settle()
    workbench.pipeline.count_consensus()
    workbench.pipeline.refine(RefinementRequest(now=True))
    workbench.settle()
    workbench.pipeline.refine_answers()
    return workbench


def test_every_figure_is_what_the_providers_billed(booked):
    billed = bills(booked)
    usd_by_batch, usd_by_model = defaultdict(float), defaultdict(float)
    tokens = defaultdict(lambda: [0] * 4)
    for bill in billed:
        usd = cost(bill, IN_BATCHES[bill.provider, bill.model])
        usd_by_batch[bill.batch.split("/")[-1]] += usd
        usd_by_model[bill.provider, bill.model] += usd
        counts = (bill.input_tokens, bill.cached_tokens, bill.output_tokens, bill.reasoning_tokens)
        of_model = tokens[bill.provider, bill.model]
        of_model[:] = [total + count for total, count in zip(of_model, counts, strict=True)]
    total = sum(usd_by_batch.values())

    # Not an empty truth: something is cached, written and thought, and the discount shows.
    assert {provider for (provider, _), (_, cached, *_) in tokens.items() if cached} == {"openai", "groq", "google"}
    assert {provider for (provider, _), (*_, thought) in tokens.items() if thought} == {"openai", "groq"}
    assert sum(bill.cache_write_tokens for bill in billed) > 0
    undiscounted = sum(
        cost(bill._replace(cached_tokens=0, cache_write_tokens=0), IN_BATCHES[bill.provider, bill.model])
        for bill in billed
        if bill.provider == "google"
    )
    assert usd_by_model["google", "gemini-2.5-flash-lite"] < 0.9 * undiscounted

    batches = booked.rows("SELECT batch_id, cost_usd FROM tag_batches")
    assert {batch_id.split("/")[-1]: exactly(usd) for batch_id, usd in batches} == usd_by_batch
    in_tables = booked.value(
        "SELECT (SELECT sum(cost_usd) FROM palette_tags) + (SELECT sum(cost_usd) FROM palette_tag_refined)"
    )
    retried = booked.value(
        "SELECT coalesce(sum(responses.cost_usd), 0) FROM tag_responses AS responses WHERE custom_id NOT IN "
        "(SELECT custom_id FROM palette_tags UNION ALL SELECT custom_id FROM palette_tag_refined)"
    )
    assert in_tables + retried == exactly(total)

    booked.pipeline.score_models()
    status = booked.pipeline.status()
    assert status.cost_usd == exactly(total)
    summaries = [*status.models, *status.refining_models]
    assert {(each.provider, each.model): exactly(each.cost_usd) for each in summaries} == usd_by_model
    assert {
        (each.provider, each.model): [
            each.input_tokens,
            each.cached_input_tokens,
            each.output_tokens,
            each.reasoning_tokens,
        ]
        for each in summaries
    } == tokens

    scores = booked.pipeline.score_models()
    assert {(score.provider, score.model) for score in scores} == {key for key in IN_BATCHES if "opus" not in key[1]}
    for score in scores:
        key = score.provider, score.model
        # The scorecard adds up millionths of a millionth.
        assert score.cost_usd == pytest.approx(usd_by_model[key], abs=1e-9)
        assert [score.input_tokens, score.cached_input_tokens, score.output_tokens, score.reasoning_tokens] == tokens[
            key
        ]


@pytest.fixture
def mixed_tiers(monkeypatch):
    """Ordinary calls to OpenAI, of which about every other is served by the standard tier, as after a refusal."""
    ask = ChatCompletionBatches.ask

    def ask_some_for_default(self, model, request):
        is_refused = crc32(request["custom_id"].encode()) % 2
        body = {**request["body"], "service_tier": "default"} if is_refused else request["body"]
        return ask(self, model, {**request, "body": body})

    monkeypatch.setattr(ChatCompletionBatches, "ask", ask_some_for_default)


@pytest.mark.usefixtures("mixed_tiers")
def test_an_ordinary_call_costs_what_the_tier_that_served_it_costs(workbench):
    workbench.backfill("openai/gpt-5-nano", analysis_count=4, direct=True)
    assert workbench.rows("SELECT service_tier, input_usd_per_million FROM tag_batches") == [("flex", exactly(0.025))]
    workbench.settle()
    billed = {bill.custom_id: bill for bill in bills(workbench)}
    usd = {
        custom_id: cost(bill, NANO, FLEX if bill.service_tier == "flex" else STANDARD)
        for custom_id, bill in billed.items()
    }
    assert {bill.service_tier for bill in billed.values()} == {"default", "flex"}
    assert any(bill.cached_tokens for bill in billed.values())
    responses = workbench.rows(
        "SELECT custom_id, cost_usd, service_tier, price_share FROM tag_responses WHERE usage IS NOT NULL"
    )
    assert {custom_id: exactly(cost_usd) for custom_id, cost_usd, *_ in responses} == usd
    assert {(tier, share) for _, _, tier, share in responses} == {("flex", 1.0), ("default", 2.0)}
    assert workbench.value("SELECT cost_usd FROM tag_batches") == exactly(sum(usd.values()))


@pytest.mark.parametrize(
    ("route", "shares", "other"),
    [
        (("openai", "batch", None), {}, 1.0),
        (("openai", "batch", "flex"), {}, 1.0),
        (("openai", "direct", None), {"default": 1.0, "flex": 0.5, "priority": 2.0}, 1.0),
        (("openai", "direct", "flex"), {"default": 2.0, "flex": 1.0, "priority": 4.0}, 2.0),
        (("groq", "direct", None), {"on_demand": 1.0, "flex": 1.0}, 1.0),
        (("anthropic", "direct", None), {}, 1.0),
        (("no-such-provider", "direct", None), {}, 1.0),
    ],
)
def test_tiers_cost_shares_of_the_price_of_their_batch(route, shares, other):
    assert relative_shares(*route) == (shares, other)


def test_a_tier_that_nobody_knows_costs_the_standard_price(workbench, monkeypatch):
    read_row = ChatCompletionBatches.read_row
    monkeypatch.setattr(
        ChatCompletionBatches, "read_row", lambda self, line: read_row(self, line)._replace(service_tier="turbo")
    )
    workbench.backfill("openai/gpt-5-nano", analysis_count=1, direct=True)
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE tag_batches SET service_tier = 'flex'")
    workbench.settle()
    assert workbench.rows("SELECT DISTINCT service_tier, price_share FROM tag_responses") == [("turbo", 2.0)]


def test_the_estimate_counts_on_no_cache_and_on_every_write(workbench):
    """However much of its input a model has found in the cache so far."""
    luna = load_catalogue().model("openai/gpt-6-luna")
    before = estimate(workbench, luna)
    assert before.cost(1_000_000, 0) == exactly(0.0625)
    workbench.backfill(luna.name, analysis_count=20)
    workbench.settle()
    assert workbench.value("SELECT sum(cached_input_tokens) FROM tag_responses") > 0
    after = estimate(workbench, luna)
    assert after.average_input is not None
    assert after.cost(1_000_000, 0) == exactly(0.0625)


def estimate(workbench, model):
    with workbench.pipeline.warehouse.connect() as connection:
        return Estimator.of(connection, TAGGING, model, "batch")


OLD_ROWS = """
    INSERT INTO tag_batches BY NAME
    SELECT
        'old' AS submission, 'tagging' AS stage, 'openai' AS provider, 'gpt-5-nano' AS model, 'x' AS endpoint,
        'completed' AS status, 3 AS request_count, 'v' AS prompt_version, '{}' AS parameters,
        0.025 AS input_usd_per_million, 0.2 AS output_usd_per_million, 1 AS estimated_input_tokens,
        1 AS estimated_output_tokens, 1 AS estimated_cost_usd, 0.5 AS cost_usd, now() AS created_at;
    INSERT INTO tag_responses BY NAME
    SELECT custom_id, 'old' AS submission, 'succeeded' AS outcome, usage, now() AS received_at
    FROM (VALUES
        ('a', {'input_tokens': 1000000, 'output_tokens': 1000000}), ('b', NULL),
        ('c', {'input_tokens': 2000000, 'output_tokens': NULL})
    ) AS rows (custom_id, usage);
    INSERT INTO found_responses BY NAME
    SELECT 'd' AS custom_id, 'old' AS submission, 'p' AS palette_id, 'succeeded' AS outcome,
        {'input_tokens': 0, 'output_tokens': 10} AS usage, now() AS found_at;
"""


def test_the_costs_of_older_versions_stay(tmp_path, monkeypatch):
    known = schema._migrations()
    before = [migration for migration in known if migration[0] < "0014"]
    monkeypatch.setattr(schema, "_migrations", lambda: before)
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb")
    with warehouse.connect() as connection:
        connection.execute(OLD_ROWS)
    monkeypatch.setattr(schema, "_migrations", lambda: known)
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb")
    with warehouse.connect() as connection:
        costs = connection.execute(
            "FROM (SELECT custom_id, cost_usd, cached_input_tokens, reasoning_tokens FROM tag_responses UNION ALL "
            "SELECT custom_id, cost_usd, cached_input_tokens, reasoning_tokens FROM found_responses) ORDER BY ALL"
        ).fetchall()
        batches = connection.execute("SELECT cost_usd, cached_input_usd_per_million FROM tag_batches").fetchall()
    assert costs == [
        ("a", exactly(0.225), None, None),
        ("b", None, None, None),
        ("c", exactly(0.05), None, None),
        ("d", exactly(0.000002), None, None),
    ]
    assert batches == [(0.5, None)]


def test_answers_of_older_versions_say_nothing_about_their_tokens(workbench):
    workbench.backfill("openai/gpt-5-nano", analysis_count=1)
    workbench.settle()
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE tag_responses SET cached_input_tokens = NULL, reasoning_tokens = NULL")
    workbench.pipeline.score_models()
    (model,) = workbench.pipeline.status().models
    (score,) = workbench.pipeline.score_models()
    for each in (model, score):
        assert (each.cached_input_tokens, each.reasoning_tokens) == (None, None)
        assert each.cost_usd > 0


# What the mission's ten cost in batches by the providers' pages, and how long their answers are expected to be.
TEN = {
    "groq/llama-3.3-70b-versatile": (0.295, 0.395, 190),
    "groq/meta-llama/llama-4-scout-17b-16e-instruct": (0.055, 0.17, 190),
    "groq/qwen/qwen3-32b": (0.145, 0.295, 200),
    "groq/openai/gpt-oss-120b": (0.075, 0.30, 420),
    "groq/openai/gpt-oss-20b": (0.0375, 0.15, 420),
    "google/gemini-2.0-flash": (0.05, 0.20, 190),
    "google/gemini-2.5-flash-lite": (0.05, 0.20, 190),
    "openai/gpt-4o-mini": (0.075, 0.30, 190),
    "openai/gpt-5-nano": (0.025, 0.20, 450),
    "anthropic/claude-3-5-haiku-20241022": (0.40, 2.00, 210),
}
CENT = 0.005


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    keys = {provider.key_variable: "x" for provider in load_catalogue().providers.values()}
    pipeline = Pipeline(Settings(tmp_path_factory.mktemp("demo"), sandbox=True), keys)
    pipeline.import_sample_palettes()
    return pipeline


@pytest.fixture(scope="module")
def usd(pipeline):
    """By model: a token for four characters of prose and one for two bytes of numbers."""
    with pipeline.warehouse.connect() as connection:
        seeds = [seed for (seed,) in connection.execute("SELECT canonical_seed FROM palettes").fetchall()]
    texts = [user_message(described.colour_data.decode()) for described in describe_palettes(seeds)]
    prose = len(TAGGING.prompt.system) + len(json.dumps(TAGGING.prompt.schema, separators=(",", ":")))
    # As they stand inside a JSON string.
    tokens = 8 * sum(round(prose / 4 + (len(json.dumps(text, ensure_ascii=False).encode()) - 2) / 2) for text in texts)
    answers = 8 * len(texts)
    return {name: (tokens * sent + answers * words * made) / 1e6 for name, (sent, made, words) in TEN.items()}


class TestTheWholeDemo:
    """182 palettes, described eight times by each of the ten: dry run, document and cap, against an own computation."""

    def test_the_dry_run(self, pipeline, usd):
        report = pipeline.backfill(BackfillRequest(analysis_count=8, include_retired=True, dry_run=True))
        estimated = defaultdict(float)
        for batch in report.batches:
            estimated[batch.model.name] += batch.estimated_cost_usd
        assert report.request_count == 14_560
        assert estimated == {name: pytest.approx(cost_usd, abs=CENT) for name, cost_usd in usd.items()}
        assert report.estimated_cost_usd == pytest.approx(sum(usd.values()), abs=CENT)

    def test_the_document(self, usd):
        rows = [
            [cell.strip(" `$") for cell in line.split("|")]
            for line in (PROJECT_ROOT / "docs" / "costs.md").read_text("utf-8").splitlines()
        ]
        first = {row[1]: row[2] for row in reversed(rows) if len(row) > 5}
        assert {name: float(first[name]) for name in TEN} == {
            name: pytest.approx(cost_usd, abs=CENT + 1e-9) for name, cost_usd in usd.items()
        }
        assert float(first["the ten together"]) == pytest.approx(sum(usd.values()), abs=CENT)

    def test_the_cap(self, pipeline, usd):
        total = sum(usd.values())
        request = BackfillRequest(analysis_count=8, include_retired=True)
        order = resolve_backfill(request, pipeline.settings, list(load_catalogue().providers), 8).order
        with pytest.raises(CostCapError, match=f"14,560 requests are estimated to cost \\${total:.2f}"):
            make_order(pipeline.workspace, replace(order, max_cost_usd=total - CENT), TAGGING)
        number, _ = make_order(pipeline.workspace, replace(order, max_cost_usd=total + CENT), TAGGING)
        assert number == 1
