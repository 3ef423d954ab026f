"""How good the search is: the set that comes with the project, and what is made of its answers."""

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
from grabient_pipeline.retrieval.evaluation import EvaluationQuery, Level, evaluation_queries, recorded_level
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
    """All sample palettes, each tagged with the words of its name; to be read, not changed."""
    collection = Collection(tmp_path_factory.mktemp("samples"))
    collection.add(*sample_rows)
    collection.tag({row["name"]: {"associations": [row["name"]]} for row in sample_rows})
    collection.pipeline.embed_palettes()
    return collection


@pytest.fixture
def few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "evaluation_queries", lambda: QUERIES)
    monkeypatch.setattr(evaluation, "recorded_level", lambda model: None)


class TestTheSet:
    """That its lines can be relied on is tested in `test_evaluation_set.py`."""

    def test_it_is_read_whole(self):
        kinds = Counter(each.kind for each in evaluation_queries())
        assert kinds.total() == 120
        assert kinds["nothing"] == 8
        assert all(bool(each.relevant) == (each.kind != "nothing") for each in evaluation_queries())

    def test_a_level_is_recorded_for_the_default_model(self):
        level = recorded_level(DEFAULT_EMBEDDING_MODEL)
        assert level is not None
        assert 0 < level.ndcg <= 1
        assert recorded_level("openai/text-embedding-3-small") is None


@pytest.mark.usefixtures("few_queries")
class TestEvaluation:
    def test_each_way_is_measured_apart(self, samples):
        evaluated = samples.pipeline.evaluate_search()
        by_kind = {figures.kind: figures for figures in evaluated.kinds}
        assert list(by_kind) == ["season", "colour map", "hex", "all"]
        assert by_kind["season"].ndcg["tags"] == by_kind["season"].ndcg["blend"] == 1
        # Words say nothing of a hex code, and colours nothing of a name that is none.
        assert by_kind["hex"].ndcg["embedding"] == by_kind["hex"].ndcg["tags"] == 0
        assert by_kind["hex"].ndcg["colours"] == by_kind["hex"].ndcg["blend"] > 0
        assert by_kind["colour map"].ndcg["colours"] == 0
        assert by_kind["colour map"].recall["tags"] == 0.5
        for way in evaluation.WAYS:
            together = sum(by_kind[kind].ndcg[way] for kind in ("season", "colour map", "hex")) / 3
            assert evaluated.overall.ndcg[way] == pytest.approx(together)

    def test_what_means_nothing_is_right_when_it_finds_nothing(self, samples):
        evaluated = samples.pipeline.evaluate_search()
        assert (evaluated.nothing_queries, evaluated.nothing_right) == (2, 1.0)

    def test_other_palettes_change_nothing(self, samples, tmp_path, sample_rows):
        before = samples.pipeline.evaluate_search()
        more = Collection(tmp_path / "more")
        more.add(*sample_rows)
        more.add({"name": "another autumn forest", "seed": "0.3,0.4,0.5,0.3,0.3,0.3,0.5,0.5,0.5,0,0.1,0.2"})
        more.tag({row["name"]: {"associations": [row["name"]]} for row in sample_rows})
        more.pipeline.embed_palettes()
        assert more.pipeline.evaluate_search().kinds == before.kinds

    def test_below_the_recorded_level_is_told(self, samples, monkeypatch):
        reached = samples.pipeline.evaluate_search().overall.ndcg["blend"]
        for ndcg, nothing_right, below in (
            (reached, 1.0, False),
            (reached + evaluation.TOLERANCE / 2, 1.0, False),
            (reached + evaluation.TOLERANCE * 2, 1.0, True),
        ):
            level = Level(embedding_model="local/wordllama-256", ndcg=ndcg, recall=0.5, nothing_right=nothing_right)
            monkeypatch.setattr(evaluation, "recorded_level", lambda model, level=level: level)
            assert samples.pipeline.evaluate_search().below_level is below

    def test_it_needs_all_sample_palettes(self, tmp_path, sample_rows):
        few = Collection(tmp_path / "few")
        few.add(*named(sample_rows, "viridis", "plasma"))
        few.pipeline.embed_palettes()
        with pytest.raises(SearchError, match="of the 182 sample palettes 2 are in .*needs them all"):
            few.pipeline.evaluate_search()

    def test_it_needs_tags(self, tmp_path, sample_rows):
        untagged = Collection(tmp_path / "untagged")
        untagged.add(*sample_rows)
        untagged.pipeline.embed_palettes()
        with pytest.raises(SearchError, match="182 of the 182 sample palettes have no tags"):
            untagged.pipeline.evaluate_search()


def test_a_line_that_is_no_query_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "evaluation.jsonl").write_text(
        json.dumps({"query": "x", "kind": "odd", "fold": 0, "relevant": {"viridis": 4}})
    )
    monkeypatch.setattr("grabient_pipeline.retrieval.evaluation.resources.files", lambda _: tmp_path)
    evaluation_queries.cache_clear()
    with pytest.raises(ValueError, match="2 validation errors"):
        evaluation_queries()
    evaluation_queries.cache_clear()


@pytest.mark.usefixtures("few_queries")
def test_the_check_warns_below_the_level_and_shows_the_figures(
    samples: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(samples.settings.data_dir))
    check = search_quality_not_regressed(PipelineResource())
    assert isinstance(check, dg.AssetCheckResult)
    reached = check.metadata["nDCG@10"].value
    assert check.passed
    assert 0 < reached < 1
    level = Level(embedding_model="local/wordllama-256", ndcg=1.0, recall=1.0, nothing_right=1.0)
    monkeypatch.setattr(evaluation, "recorded_level", lambda model: level)
    check = search_quality_not_regressed(PipelineResource())
    assert isinstance(check, dg.AssetCheckResult)
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["recorded nDCG@10"].value == 1.0


@pytest.mark.usefixtures("few_queries")
def test_the_command_prints_a_table_or_json(samples: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(samples.settings.data_dir))
    monkeypatch.setenv("COLUMNS", "200")
    told = CliRunner().invoke(app, ["evaluate"])
    assert told.exit_code == 0
    assert "182 sample palettes (182 refined), embedded with local/wordllama-256" in told.stdout
    rows = {line.split()[0]: line.split()[1:] for line in told.stdout.splitlines() if line.strip()}
    assert rows["season"] == ["1", "1.000", "1.000", "0.000", "1.000", "1.000", "1.000", "0.000", "1.000"]
    assert "2 of the 2 queries that mean nothing get no answer" in told.stdout
    figures = json.loads(CliRunner().invoke(app, ["evaluate", "--json"]).stdout)
    assert [each["kind"] for each in figures["kinds"]] == ["season", "colour map", "hex", "all"]
    assert figures["below_level"] is False


def test_the_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path))
    told = CliRunner().invoke(app, ["evaluate"])
    assert (told.exit_code, told.stdout) == (1, "")
    assert len(told.stderr.splitlines()) == 1
