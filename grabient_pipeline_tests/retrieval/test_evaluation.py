"""Measuring search quality: the query set, the metrics, the asset check and the command."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from grabient_pipeline.cli import app
from grabient_pipeline.defs.asset_checks import search_quality_not_regressed
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.errors import SearchError
from grabient_pipeline.retrieval import evaluation
from grabient_pipeline.retrieval.evaluation import Baseline, EvaluationQuery, evaluation_queries, recorded_baseline
from grabient_pipeline.settings import DEFAULT_EMBEDDING_MODEL
from grabient_pipeline_tests.retrieval.conftest import Collection, named

QUERIES = (
    EvaluationQuery(query="autumn forest", kind="season", fold=0, relevant={"autumn forest": 3}),
    EvaluationQuery(query="plasma", kind="colour map", fold=1, relevant={"plasma": 3, "inferno": 1}),
    EvaluationQuery(query="#1e90ff", kind="hex", fold=2, relevant={"clear sky": 3}),
    EvaluationQuery(query="xyzzy qwrt", kind="nothing", fold=3, relevant={}),
    EvaluationQuery(query="", kind="nothing", fold=4, relevant={}),
)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory, sample_rows: list[dict[str, Any]]) -> Collection:
    """All sample palettes, each tagged with the words of its name. Read-only."""
    collection = Collection(tmp_path_factory.mktemp("samples"))
    collection.add(*sample_rows)
    collection.tag({row["name"]: {"associations": [row["name"]]} for row in sample_rows})
    collection.pipeline.embed_palettes()
    return collection


@pytest.fixture
def few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "evaluation_queries", lambda: QUERIES)
    monkeypatch.setattr(evaluation, "recorded_baseline", lambda model: None)


class TestQuerySet:
    """The lines themselves are checked in `test_evaluation_set.py`."""

    def test_every_line_is_loaded(self):
        kinds = Counter(each.kind for each in evaluation_queries())
        assert kinds.total() == 120
        assert kinds["nothing"] == 8
        assert all(bool(each.relevant) == (each.kind != "nothing") for each in evaluation_queries())

    def test_the_default_model_has_a_baseline(self):
        baseline = recorded_baseline(DEFAULT_EMBEDDING_MODEL)
        assert baseline is not None
        assert 0 < baseline.ndcg <= 1
        assert recorded_baseline("openai/text-embedding-3-small") is None


@pytest.mark.usefixtures("few_queries")
class TestEvaluation:
    def test_each_ranker_is_measured(self, samples):
        evaluated = samples.pipeline.evaluate_search()
        by_kind = {metrics.kind: metrics for metrics in evaluated.kinds}
        assert list(by_kind) == ["season", "colour map", "hex", "all"]
        assert by_kind["season"].ndcg["tags"] == by_kind["season"].ndcg["blend"] == 1
        # A hex code has no words, and the name of a colour map has no colours.
        assert by_kind["hex"].ndcg["embedding"] == by_kind["hex"].ndcg["tags"] == 0
        assert by_kind["hex"].ndcg["colours"] == by_kind["hex"].ndcg["blend"] > 0
        assert by_kind["colour map"].ndcg["colours"] == 0
        assert by_kind["colour map"].recall["tags"] == 0.5
        for ranker in evaluation.RANKERS:
            mean = sum(by_kind[kind].ndcg[ranker] for kind in ("season", "colour map", "hex")) / 3
            assert evaluated.overall.ndcg[ranker] == pytest.approx(mean)

    def test_meaningless_queries_should_return_nothing(self, samples):
        evaluated = samples.pipeline.evaluate_search()
        assert (evaluated.nothing_queries, evaluated.nothing_right) == (2, 1.0)

    def test_other_palettes_do_not_change_the_result(self, samples, tmp_path, sample_rows):
        before = samples.pipeline.evaluate_search()
        more = Collection(tmp_path / "more")
        more.add(*sample_rows)
        more.add({"name": "another autumn forest", "seed": "0.3,0.4,0.5,0.3,0.3,0.3,0.5,0.5,0.5,0,0.1,0.2"})
        more.tag({row["name"]: {"associations": [row["name"]]} for row in sample_rows})
        more.pipeline.embed_palettes()
        assert more.pipeline.evaluate_search().kinds == before.kinds

    def test_a_result_below_the_baseline_is_reported(self, samples, monkeypatch):
        reached = samples.pipeline.evaluate_search().overall.ndcg["blend"]
        for ndcg, nothing_right, below in (
            (reached, 1.0, False),
            (reached + evaluation.TOLERANCE / 2, 1.0, False),
            (reached + evaluation.TOLERANCE * 2, 1.0, True),
        ):
            baseline = Baseline(
                embedding_model="local/wordllama-256", ndcg=ndcg, recall=0.5, nothing_right=nothing_right
            )
            monkeypatch.setattr(evaluation, "recorded_baseline", lambda model, baseline=baseline: baseline)
            assert samples.pipeline.evaluate_search().below_baseline is below

    def test_requires_all_sample_palettes(self, tmp_path, sample_rows):
        few = Collection(tmp_path / "few")
        few.add(*named(sample_rows, "viridis", "plasma"))
        few.pipeline.embed_palettes()
        with pytest.raises(SearchError, match="2 of the 182 sample palettes are in .*needs all of them"):
            few.pipeline.evaluate_search()

    def test_requires_tags(self, tmp_path, sample_rows):
        untagged = Collection(tmp_path / "untagged")
        untagged.add(*sample_rows)
        untagged.pipeline.embed_palettes()
        with pytest.raises(SearchError, match="182 of the 182 sample palettes have no tags"):
            untagged.pipeline.evaluate_search()


def test_an_invalid_line_is_rejected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "evaluation.jsonl").write_text(
        json.dumps({"query": "x", "kind": "odd", "fold": 0, "relevant": {"viridis": 4}})
    )
    monkeypatch.setattr("grabient_pipeline.retrieval.evaluation.resources.files", lambda _: tmp_path)
    evaluation_queries.cache_clear()
    with pytest.raises(ValueError, match="2 validation errors"):
        evaluation_queries()
    evaluation_queries.cache_clear()


@pytest.mark.usefixtures("few_queries")
def test_the_asset_check_warns_below_the_baseline(samples: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(samples.settings.data_dir))
    check = search_quality_not_regressed(PipelineResource())
    assert isinstance(check, dg.AssetCheckResult)
    reached = check.metadata["nDCG@10"].value
    assert check.passed
    assert 0 < reached < 1
    baseline = Baseline(embedding_model="local/wordllama-256", ndcg=1.0, recall=1.0, nothing_right=1.0)
    monkeypatch.setattr(evaluation, "recorded_baseline", lambda model: baseline)
    check = search_quality_not_regressed(PipelineResource())
    assert isinstance(check, dg.AssetCheckResult)
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["recorded nDCG@10"].value == 1.0


@pytest.mark.usefixtures("few_queries")
def test_the_command_prints_a_table_or_json(samples: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(samples.settings.data_dir))
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, ["evaluate"])
    assert result.exit_code == 0
    assert "182 sample palettes (182 refined), embedded with local/wordllama-256" in result.stdout
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line.strip()}
    assert rows["season"] == ["1", "1.000", "1.000", "0.000", "1.000", "1.000", "1.000", "0.000", "1.000"]
    assert "2 of the 2 meaningless queries correctly return no palettes" in result.stdout
    printed = json.loads(CliRunner().invoke(app, ["evaluate", "--json"]).stdout)
    assert [each["kind"] for each in printed["kinds"]] == ["season", "colour map", "hex", "all"]
    assert (printed["level"], printed["below_level"]) == (None, False)


def test_json_has_the_baseline(samples: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(samples.settings.data_dir))
    printed = json.loads(CliRunner().invoke(app, ["evaluate", "--json"]).stdout)
    assert list(printed) == [
        "embedding_model",
        "palettes",
        "text_sources",
        "prompts",
        "kinds",
        "nothing_queries",
        "nothing_right",
        "level",
        "below_level",
    ]
    assert set(printed["level"]) == {"embedding_model", "ndcg", "recall", "nothing_right"}


def test_the_command_explains_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["evaluate"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
