"""`grabient models --check`, and what `grabient status` keeps of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grabient_pipeline.cli import recording
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline_tests.cli.conftest import Grabient
from grabient_pipeline_tests.conftest import copy_template

OSS = "groq/openai/gpt-oss-20b"
GROQ_LINE = "Groq has retired it"


@pytest.fixture
def check(
    grabient: Grabient,
    keys: object,
    data_dir: Path,
    blank: Path,
    sandbox: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., object]:
    """Check a catalogue in which no model in use ends soon, against providers whose retired models are gone."""
    del keys
    copy_template(blank, data_dir)
    monkeypatch.setattr("grabient_pipeline.batches.catalogue_check.find_ending", lambda *_: [])
    gone = " ".join(each.id for each in load_catalogue().models if each.retired())
    sandbox.sandbox.faults.arm("models_gone", models=gone)
    return lambda *arguments: grabient("models", "--check", *arguments)


def test_a_catalogue_that_is_right(check: Grabient) -> None:
    result = check()
    assert result.status == 0
    asked, verdict = result.out.splitlines()
    assert set(asked.removeprefix("Asked: ").split(", ")) == {
        "anthropic",
        "anthropic SDK",
        "genai-prices",
        "google",
        "groq",
        "openai",
    }
    assert verdict == "The catalogue agrees with them."
    assert result.err == ""


def test_a_model_in_use_that_has_ended(check: Grabient, grabient: Grabient, sandbox: SandboxServer) -> None:
    sandbox.sandbox.faults.arm("models_deprecated", "groq", models="openai/gpt-oss-20b")
    result = check()
    assert result.status == 1
    assert f"Models in use\n- {OSS}: {GROQ_LINE}\n" in result.out
    assert f"  catalogue.toml, [[models]] {OSS}: ends_on = " in result.out
    assert result.err == "grabient: the catalogue has to be changed about 1 model in use\n"
    shown = grabient("status").out
    (line,) = [line for line in shown[shown.index("Needs attention") :].splitlines() if OSS in line]
    assert line.startswith(f"- {OSS}: {GROQ_LINE} (checked on ")
    assert f"; catalogue.toml, [[models]] {OSS}: ends_on = " in line
    (kept,) = grabient("status", "--json").json["catalogue"]
    assert (kept["model"], kept["kind"], kept["in_use"]) == (OSS, "ended", True)


def test_a_model_that_is_not_in_use(check: Grabient, grabient: Grabient, sandbox: SandboxServer) -> None:
    sandbox.sandbox.faults.arm("models_deprecated", "anthropic", models="claude-opus-5-5", ends_on="2099-01-31")
    result = check()
    assert result.status == 0
    assert "Other models\n- anthropic/claude-opus-5-5: Anthropic says that it ends on 2099-01-31" in result.out
    assert "Models in use" not in result.out
    assert "claude-opus-5-5" not in grabient("status").out


def test_as_json(check: Grabient, sandbox: SandboxServer) -> None:
    sandbox.sandbox.faults.arm("models_deprecated", "groq", models="openai/gpt-oss-20b")
    sandbox.sandbox.faults.arm("down", "google", status=401)
    result = check("--json")
    assert result.status == 1
    (finding,) = result.json["findings"]
    assert (finding["model"], finding["kind"], finding["in_use"]) == (OSS, "ended", True)
    assert finding["change"].endswith(finding["line"])
    assert "google" not in result.json["sources"]
    (left_out,) = result.json["left_out"]
    assert left_out.startswith("google: asking for the list of models failed: HTTP 401")


def test_a_provider_that_cannot_be_asked_is_no_finding(check: Grabient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    result = check()
    assert result.status == 0
    assert result.err == "OpenAI left out: OPENAI_API_KEY is not set\n"


def test_it_is_recorded_for_dagster(check: Grabient, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[object] = []
    monkeypatch.setattr(recording, "record", lambda settings, command, reports: recorded.append((command, *reports)))
    check()
    assert recorded == [("grabient models --check", "catalogue_findings")]
