from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grabient_pipeline_tests.cli.conftest import Grabient


def test_import_counts_new_and_existing_palettes(grabient: Grabient, three_palettes: Path) -> None:
    again = grabient("import", three_palettes)
    assert (again.status, again.out) == (0, "0 imported, 3 already there, 0 invalid\n")


def test_import_without_a_file_fills_only_an_empty_database(grabient: Grabient) -> None:
    first = grabient("import")
    assert first.out == "182 imported, 0 already there, 0 invalid\n"
    assert "sample palettes" in first.err
    second = grabient("import")
    assert second.status == 0
    assert second.out.startswith("Nothing was imported: no file was named, and there are palettes already")


def test_import_reports_invalid_lines_and_imports_the_others(
    grabient: Grabient, tmp_path: Path, sample_rows: list[dict[str, Any]]
) -> None:
    file = tmp_path / "mixed.txt"
    file.write_text(f"{sample_rows[0]['seed']}\nnot a palette\n[red]\x1b[31mneither\n", "utf-8")
    result = grabient("import", file)
    assert result.status == 0
    assert result.out == "1 imported, 0 already there, 2 invalid\n"
    lines = result.err.splitlines()
    assert lines[0].startswith("mixed.txt, line 2: 'not a palette' is not a palette")
    assert lines[1].startswith("mixed.txt, line 3: '[red]")
    assert "\x1b" not in result.err

    result = grabient("import", file, "--json")
    assert result.json["already_there"] == 1
    assert [(each["file"], each["line"]) for each in result.json["invalid"]] == [("mixed.txt", 2), ("mixed.txt", 3)]


def test_import_of_only_invalid_lines_fails(grabient: Grabient, tmp_path: Path) -> None:
    file = tmp_path / "none.txt"
    file.write_text("nothing\n", "utf-8")
    result = grabient("import", file)
    assert result.status == 1
    assert result.err.splitlines()[-1] == f"grabient: no valid palette in {file}"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("absent.csv", None, "there is no such file", id="absent"),
        pytest.param("palettes.xlsx", b"", "unsupported kind of file", id="unknown kind"),
        pytest.param("latin.txt", "gr\xfcn".encode("latin-1"), "is not UTF-8", id="not UTF-8"),
        pytest.param("columns.csv", b"a,b\n1,2\n", "has no column", id="no seeds"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained_in_one_line(
    grabient: Grabient, tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    result = grabient("import", file)
    assert (result.status, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert reason in line


DEFAULTS = """\
tag-analysis-count 8
patience-hours 24
refine-after-hours 48
refine-share 0.6
backups 3,7,4
tier anthropic 1 (Start), not set
tier openai 1 (Tier 1), not set
tier groq 1 (Developer), not set
tier google 1 (Tier 1), not set
window groq 24h, not set
"""


def test_the_analysis_count_is_stored(grabient: Grabient) -> None:
    assert grabient("config", "get").out == DEFAULTS
    assert grabient("config", "set", "tag-analysis-count", 3).status == 0
    settings = grabient("config", "get", "--json").json
    tiers = settings.pop("tiers")
    assert settings == {
        "tag-analysis-count": 3,
        "patience-hours": 24,
        "refine-after-hours": 48,
        "refine-share": 0.6,
        "backups": "3,7,4",
        "limits": {},
        "windows": {"groq": {"hours": 24, "source": "not set"}},
    }
    assert tiers["openai"].pop("documented_at").startswith("https://")
    assert tiers["openai"] == {"tier": 1, "name": "Tier 1", "source": "not set", "read_on": "2026-11-28"}


@pytest.mark.parametrize(("value", "status"), [("0", 1), ("21", 1), ("1.5", 2), ("-1", 2), ("many", 2)])
def test_an_invalid_analysis_count_is_explained_in_one_line(grabient: Grabient, value: str, status: int) -> None:
    for command in (["config", "set", "tag-analysis-count", value], ["backfill", f"--analysis-count={value}"]):
        result = grabient(*command)
        assert result.out == ""
        assert len(result.err.splitlines()) == 1
        assert result.status == (1 if "=-1" in command[-1] else status)
    assert grabient("config", "get").out == DEFAULTS


@pytest.mark.parametrize(
    ("name", "value", "out"),
    [
        ("patience-hours", "0", "0"),
        ("refine-after-hours", "0.5", "0.5"),
        ("refine-after-hours", "720", "720"),
        ("refine-share", "1", "1"),
        ("refine-share", "0.25", "0.25"),
        ("backups", "off", "0,0,0"),
    ],
)
def test_other_settings_are_stored(grabient: Grabient, name: str, value: str, out: str) -> None:
    assert grabient("config", "set", name, value).out == f"{name} {out}\n"
    assert f"{name} {out}\n" in grabient("config", "get").out


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        ("refine-after-hours 721", 1, "from 0 to 720"),
        ("refine-after-hours soon", 2, "must be a number"),
        ("refine-share 0", 1, "above 0 and at most 1"),
        ("refine-share 1.01", 1, "above 0 and at most 1"),
        ("refine-share 0.5 0.6", 2, "takes one value, such as: grabient config set refine-share 0.6"),
        ("backups 1 2 3", 2, "takes one value, such as: grabient config set backups 3,7,4"),
        ("tag-analysis-count", 2, "VALUE"),
        ("tier openai", 2, "takes a provider and its tier, such as: grabient config set tier openai 3"),
        ("tier openai 3 4", 2, "such as: grabient config set tier openai 3"),
        ("tier openai 9", 1, "no tier '9'; there are 1 (Tier 1)"),
        ("tier acme 1", 1, "no provider 'acme'; there are anthropic"),
        ("limits openai", 2, "such as: grabient config set limits openai/gpt-4o-mini tokens=4000000 jobs=50"),
        ("limits openai tokens", 2, "a limit is tokens=N, requests=N or jobs=N, not 'tokens'"),
        ("limits openai calls=5", 2, "not 'calls=5'"),
        ("limits openai tokens=4M", 2, "tokens must be a whole number such as 4000000, or default; not '4M'"),
        ("limits openai tokens=4,000", 2, "must be a whole number"),
        ("limits openai tokens=1 tokens=2", 2, "each figure once"),
        ("limits openai tokens=0", 1, "from 1 to 1,000,000,000,000,000"),
        ("limits openai/gpt-99 tokens=1", 1, "no provider or model 'openai/gpt-99'"),
        ("nothing 1", 2, "nothing"),
    ],
)
def test_an_invalid_setting_is_explained_in_one_line(
    grabient: Grabient, arguments: str, status: int, reason: str
) -> None:
    result = grabient("config", "set", *arguments.split())
    assert (result.status, result.out) == (status, "")
    (line,) = result.err.splitlines()
    assert reason in line
    assert grabient("config", "get").out == DEFAULTS


def test_tiers(grabient: Grabient) -> None:
    assert grabient("config", "set", "tier", "openai", "3").out == "tier openai 3 (Tier 3), set\n"
    assert grabient("config", "set", "tier", "google", "none").out == "tier google none, set\n"
    assert "tier google none, set\n" in grabient("config", "get").out
    assert grabient("config", "get", "--json").json["tiers"]["google"] == {
        "tier": None,
        "name": None,
        "source": "set",
        "documented_at": None,
        "read_on": None,
    }
    assert grabient("config", "set", "tier", "openai", "default").out == "tier openai 1 (Tier 1), not set\n"
    grabient("config", "set", "tier", "google", "default")
    assert grabient("config", "get").out == DEFAULTS


def test_limits(grabient: Grabient) -> None:
    grabient("config", "set", "limits", "openai", "tokens=4_000_000")
    changed = grabient("config", "set", "limits", "openai/gpt-4o-mini", "tokens=5000000", "jobs=50")
    assert changed.out == "limits openai/gpt-4o-mini tokens=5000000 jobs=50\n"
    assert grabient("config", "get").out == (
        f"{DEFAULTS}limits openai tokens=4000000\nlimits openai/gpt-4o-mini tokens=5000000 jobs=50\n"
    )
    assert grabient("config", "get", "--json").json["limits"] == {
        "openai": {"tokens": 4_000_000},
        "openai/gpt-4o-mini": {"tokens": 5_000_000, "jobs": 50},
    }
    changed = grabient("config", "set", "limits", "openai/gpt-4o-mini", "tokens=default", "requests=9")
    assert changed.out == "limits openai/gpt-4o-mini requests=9 jobs=50\n"
    grabient("config", "set", "limits", "openai/gpt-4o-mini", "requests=default", "jobs=default")
    assert grabient("config", "set", "limits", "openai", "tokens=default").out == "limits openai default\n"
    assert grabient("config", "get").out == DEFAULTS


def test_a_window_is_stored_and_taken_back(grabient: Grabient) -> None:
    assert grabient("config", "set", "window", "groq", "3d").out == "window groq 72h, set\n"
    assert "window groq 72h, set\n" in grabient("config", "get").out
    assert grabient("config", "get", "--json").json["windows"] == {"groq": {"hours": 72, "source": "set"}}
    assert grabient("config", "set", "window", "groq", "default").out == "window groq 24h, not set\n"
    assert grabient("config", "get").out == DEFAULTS


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        (["groq", "8d"], 1, "the window of Groq is '8d'; it must be from 24h to 7d in whole hours or days"),
        (["groq", "1h"], 1, "such as 72h or 3d"),
        (["openai", "48h"], 1, "the window of OpenAI cannot be chosen: its batches end within 24 hours"),
        (["grok", "48h"], 1, "there is no provider 'grok'"),
        (["groq"], 2, "grabient config set window groq 72h"),
    ],
)
def test_a_window_that_cannot_be_set_is_explained(
    grabient: Grabient, values: list[str], status: int, words: str
) -> None:
    result = grabient("config", "set", "window", *values)
    assert (result.status, result.out) == (status, "")
    assert words in result.err
    assert grabient("config", "get").out == DEFAULTS


def test_accounts_on_the_sandbox_have_no_limits(grabient: Grabient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_SANDBOX", "1")
    grabient("config", "set", "tier", "openai", "2")
    out = grabient("config", "get").out
    assert "tier openai 2 (Tier 2), set\ntier groq none, the sandbox\n" in out
