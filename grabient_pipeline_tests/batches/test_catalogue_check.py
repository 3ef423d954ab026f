"""Checks of the catalogue: asking, keeping, and reading what was kept."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from grabient_pipeline.batches.catalogue_check import check_catalogue, finding_lines, keep_checks
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.catalogue_age import PRICE_LIST, Finding, ModelFact, SourceCheck, sdk_source
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests.catalogue import KEY_VARIABLES, PROVIDERS
from grabient_pipeline_tests.conftest import Workbench, copy_template

NANO = "openai/gpt-5-nano"
ALWAYS = (PRICE_LIST, sdk_source("anthropic"))


@pytest.fixture
def bench(tmp_path, blank, sandbox):
    """No palettes, and providers that have retired the models that the catalogue says have ended."""
    gone = " ".join(each.id for each in load_catalogue().models if each.retired())
    sandbox.sandbox.faults.arm("models_gone", models=gone)
    return Workbench(copy_template(blank, tmp_path / "data"), sandbox)


def kinds(report, model):
    return {each.kind for each in report.findings if each.model == model}


def test_every_source_answers(bench):
    report = bench.pipeline.check_catalogue()
    assert set(report.sources) == {*PROVIDERS, *ALWAYS}
    assert report.left_out == ()
    assert {each.kind for each in report.findings} <= {"ends_soon"}


def test_the_findings_of_each_source(bench):
    bench.disarm()
    bench.arm("models_gone", "google", models="gemini-2.5-flash-lite")
    bench.arm("models_deprecated", "openai", models="gpt-5.6-luna", ends_on="2099-03-03")
    bench.arm("models_deprecated", "groq", models="openai/gpt-oss-20b")
    bench.arm("models_deprecated", "anthropic", models="claude-haiku-5-5")
    report = bench.pipeline.check_catalogue()
    assert "gone" in kinds(report, "google/gemini-2.5-flash-lite")
    assert "other_end" in kinds(report, "openai/gpt-5.6-luna")
    assert "ended" in kinds(report, "groq/openai/gpt-oss-20b")
    assert "unknown_end" in kinds(report, "anthropic/claude-haiku-5-5")
    assert "still_offered" in kinds(report, "groq/llama-3.3-70b-versatile")
    assert {each.model for each in report.to_change} >= {"google/gemini-2.5-flash-lite", "groq/openai/gpt-oss-20b"}


def test_a_newer_check_replaces_an_older_one_of_the_same_source(bench):
    bench.arm("models_deprecated", "openai", 1, models="gpt-6-luna", ends_on="2030-01-01")
    assert "other_end" in kinds(bench.pipeline.check_catalogue(), "openai/gpt-6-luna")
    first = bench.value("SELECT max(checked_at) FROM catalogue_findings")
    assert "other_end" not in kinds(bench.pipeline.check_catalogue(), "openai/gpt-6-luna")
    assert bench.value("SELECT min(checked_at) FROM catalogue_findings") > first
    assert bench.value("SELECT count(*) FROM catalogue_findings WHERE model = ?", [NANO]) == 2


def test_what_a_provider_said_is_kept_while_it_cannot_be_reached(bench):
    bench.arm("models_deprecated", "openai", 1, models="gpt-6-luna", ends_on="2030-01-01")
    bench.pipeline.check_catalogue()
    bench.arm("down", "openai", status=403)
    report = bench.pipeline.check_catalogue()
    (line,) = report.left_out
    assert line.startswith("openai: asking for the list of models failed: HTTP 403")
    assert set(report.sources) == {*PROVIDERS, *ALWAYS} - {"openai"}
    assert "other_end" in kinds(report, "openai/gpt-6-luna")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_without_a_key_is_left_out(bench, provider):
    environment = {name: value for name, value in bench.environment.items() if name != KEY_VARIABLES[provider]}
    report = Pipeline(bench.settings, environment).check_catalogue()
    (line,) = report.left_out
    assert line.endswith(f"left out: {KEY_VARIABLES[provider]} is not set")
    assert set(report.sources) == {*PROVIDERS, *ALWAYS} - {provider}


def test_without_keys_nothing_is_called(bench, monkeypatch):
    def connect(*_):
        raise AssertionError("a connection")

    monkeypatch.setattr("socket.socket.connect", connect)
    monkeypatch.setattr("socket.getaddrinfo", connect)
    report = Pipeline(bench.settings, {}).check_catalogue()
    assert set(report.sources) == set(ALWAYS)
    assert len(report.left_out) == len(PROVIDERS)
    assert bench.server.sandbox.requests == type(bench.server.sandbox.requests)(maxlen=10_000)


def test_a_provider_that_hangs_takes_no_longer_than_the_deadline(bench):
    bench.arm("hang", "groq", seconds=20)
    begun = time.monotonic()
    report = check_catalogue(bench.pipeline.workspace, None, Deadline.after(5))
    assert time.monotonic() - begun < 15
    assert report.left_out == ("groq: no complete list of its models within 5 s",)


def test_an_empty_list_does_not_mean_that_every_model_is_gone(bench):
    bench.disarm()
    bench.arm("models_gone", "openai", models=" ".join(each.id for each in load_catalogue().models))
    report = bench.pipeline.check_catalogue()
    # The models for embeddings are left.
    assert "gone" in kinds(report, NANO)
    bench.disarm()
    bench.arm("models_gone", "groq", models=" ".join(each.id for each in load_catalogue().models))
    report = bench.pipeline.check_catalogue()
    assert report.left_out == ("groq: the list of models is empty",)
    assert not any("gone" in kinds(report, each.name) for each in load_catalogue().models if each.provider == "groq")


def test_a_correction_of_the_catalogue_ends_a_finding(bench):
    """What is kept is what the sources say, so nothing has to be asked again."""
    fact = ModelFact(NANO, True, dt.date(2026, 12, 11))
    keep_checks(bench.pipeline.warehouse, [SourceCheck("openai", dt.datetime.now(dt.UTC), (fact,))])
    bench.pipeline.warehouse.publish()
    assert not [each for each in bench.pipeline.catalogue_findings() if each.kind == "other_end"]


class TestStatus:
    def test_findings_about_models_in_use(self, bench):
        bench.arm("models_deprecated", models="gpt-5.6-luna claude-opus-5-5", ends_on="2099-03-03")
        bench.pipeline.check_catalogue()
        calls = len(bench.server.sandbox.requests)
        status = bench.pipeline.status()
        assert {each.model for each in status.catalogue if each.kind == "other_end"} == {"openai/gpt-5.6-luna"}
        assert len(bench.server.sandbox.requests) == calls

    def test_before_any_check_only_the_ends_by_the_catalogue(self, bench):
        bench.pipeline.warehouse.publish()
        assert {each.kind for each in bench.pipeline.status().catalogue} <= {"ends_soon"}

    def test_models_of_the_sandbox_do_not_end(self, workbench):
        assert workbench.pipeline.status().catalogue == ()


def finding(model, kind, line=""):
    return Finding(model, kind, f"is {kind}", "[[models]]", line, in_use=True)


class TestLines:
    def test_none(self):
        assert finding_lines([]) == []

    def test_models_that_end_share_a_line(self):
        (line,) = finding_lines([finding(NANO, "ends_soon", "x"), finding("openai/gpt-4o-mini", "ends_soon")])
        assert line == (
            f"2 models in use will end: {NANO} on 2026-12-11, openai/gpt-4o-mini on 2027-01-14; "
            "grabient models --check says what to change"
        )

    def test_nothing_to_change(self):
        (line,) = finding_lines([finding(NANO, "ends_soon")])
        assert line == f"1 model in use will end: {NANO} on 2026-12-11"

    def test_no_wall_of_lines(self):
        lines = finding_lines([finding(NANO, "price_changed", f"line {number}") for number in range(7)])
        assert len(lines) == 4
        assert lines[0] == f"{NANO}: is price_changed; catalogue.toml, [[models]]: line 0"
        assert lines[-1] == "4 more findings about the catalogue (see grabient models --check)"


def test_a_data_directory_without_a_database(tmp_path):
    report = Pipeline(Settings(tmp_path / "new"), {}).check_catalogue()
    assert set(report.sources) == set(ALWAYS)
