from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import duckdb
import filelock
import pytest
import yaml

from grabient_pipeline.defs.instance import write_dagster_home
from grabient_pipeline.providers.catalogue import Place, load_catalogue
from grabient_pipeline.settings import PROJECT_ROOT, Settings
from grabient_pipeline_tests.catalogue import ENABLED, PROVIDERS
from grabient_pipeline_tests.cli.conftest import GRABIENT, Grabient


def test_the_demo_runs_every_step_and_replaces_the_previous_demo(
    grabient: Grabient, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever is configured, the demo uses its own sandbox.
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-mine")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("GRABIENT_MAX_COST_USD", "0")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    # Set here so that they are restored after the test.
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    mine = data_dir / "demo" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("not the demo's")

    result = grabient("demo", "--palettes", 3, "--analysis-count", 1)
    assert result.status == 0
    count = len(ENABLED)
    summary = (
        f"3 palettes, each described 1 time by {count} models: {3 * count} requests in {count} batches; "
        "3 palettes refined\n"
    )
    assert result.out.startswith(summary)
    assert "a-key-of-mine" not in result.out + result.err
    query = subprocess.run(shlex.split(result.out.splitlines()[-1]), capture_output=True, text=True, check=True)
    assert "associations" in query.stdout
    assert [path.name for path in data_dir.iterdir()] == ["demo"]
    assert len(list((data_dir / "demo" / "images").glob("*.png"))) == 3
    assert f"  gallery   {(data_dir / 'demo' / 'gallery' / 'index.html').as_uri()}\n" in result.out

    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path / "opened"}\n')
    browser.chmod(0o755)
    monkeypatch.setattr(webbrowser, "_tryorder", None)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    facts = grabient("demo", "--palettes", 2, "--analysis-count", 1, "--json", "--open").json
    assert (tmp_path / "opened").read_text() == (data_dir / "demo" / "gallery" / "index.html").as_uri()
    assert (facts["palettes"], facts["requests"], facts["batches"]) == (2, 20, 10)
    assert facts["usable_answers"] > 15
    assert facts["refined"] == 2
    assert facts["gallery"] == str(data_dir / "demo" / "gallery" / "index.html")
    assert "</html>" in Path(facts["gallery"]).read_text("utf-8")
    # The costs of the models add up to the total.
    models = [*facts["models"], *facts["refining_models"]]
    assert sum(model["cost_usd"] for model in models) == pytest.approx(facts["cost_usd"])
    assert len(list((data_dir / "demo" / "images").glob("*.png"))) == 2
    assert mine.read_text() == "not the demo's"
    with duckdb.connect(facts["database"], read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM palette_tags").fetchall() == [(2 * count,)]


def test_the_demo_fails_if_a_model_has_no_usable_answer(
    grabient: Grabient, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = load_catalogue()
    unknown = catalogue.model("openai/gpt-4o-mini").model_copy(update={"id": "gpt-4.1-nano"})
    extended = catalogue.model_copy(
        update={"models": (*catalogue.models, unknown), "places": (*catalogue.places, Place(model=unknown.name))}
    )
    for name, module in list(sys.modules.items()):
        if name.startswith("grabient_pipeline.") and vars(module).get("load_catalogue") is load_catalogue:
            monkeypatch.setattr(module, "load_catalogue", lambda: extended)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")

    result = grabient("demo", "--palettes", 2, "--analysis-count", 1)
    assert result.status == 1
    assert f"by {len(ENABLED) + 1} models" in result.out
    last = result.err.splitlines()[-1]
    assert last.startswith("grabient: openai/gpt-4.1-nano has no usable answer: model_not_found: ")
    assert "gpt-4o-mini" not in last


def test_the_demo_does_not_touch_a_directory_that_is_in_use(grabient: Grabient, data_dir: Path) -> None:
    settings = Settings(data_dir).demo()
    settings.create_directories()
    settings.published.write_bytes(b"in use")
    for lock in ("in_use.lock", "warehouse.lock"):
        with filelock.FileLock(settings.state_dir / lock):
            result = grabient("demo", "--palettes", 1)
        assert (result.status, result.out) == (1, "")
        assert "is running in" in result.err
    assert settings.published.read_bytes() == b"in use"


@pytest.fixture
def started(data_dir: Path) -> Iterator[Started]:
    """Start commands that run until they are stopped."""
    processes = Started(data_dir)
    yield processes
    processes.kill()


class Started:
    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._processes: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [GRABIENT, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "GRABIENT_DATA_DIR": str(self._data_dir)},
            # As a shell script does for background jobs.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
        self._processes.append(process)
        return process

    def remaining(self) -> list[int]:
        """Return all descendants that still run: they share the data directory."""
        mark = f"GRABIENT_DATA_DIR={self._data_dir}".encode()
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(variable == mark or variable.startswith(mark + b"/") for variable in variables):
                found.append(int(entry.name))
        return found

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
        for pid in self.remaining():
            os.kill(pid, signal.SIGKILL)
        for process in self._processes:
            process.communicate()


def test_the_sandbox_prints_its_variables_and_stops_on_ctrl_c(started: Started) -> None:
    process = started("sandbox")
    assert process.stdout is not None
    exported: dict[str, str] = {}
    while len(exported) < 2 * len(PROVIDERS) + 2:
        match = re.fullmatch(r"export (\w+)=(.*)\n", process.stdout.readline())
        assert match
        exported[match[1]] = match[2]
    assert exported["GRABIENT_DATA_DIR"].endswith("/demo")
    request = urllib.request.Request(
        f"{exported['OPENAI_BASE_URL']}/batches", headers={"Authorization": f"Bearer {exported['OPENAI_API_KEY']}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["data"] == []
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert err.splitlines()[-1] == "The sandbox has stopped."


@pytest.mark.parametrize("limits", ["1", '{"tier": 1}', '[{"provider": "openai", "tokens": 2000000}]'])
def test_the_sandbox_takes_limits(started: Started, limits: str) -> None:
    process = started("sandbox", "--limits", limits)
    assert process.stdout is not None
    address = ""
    while not address:
        match = re.match(r"export OPENAI_BASE_URL=(.*)/openai/v1\n", process.stdout.readline())
        address = match[1] if match else ""
    with urllib.request.urlopen(f"{address}/_sandbox/limits", timeout=10) as answer:
        assert json.load(answer)["openai"]["tokens"] == {"": 2_000_000}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ("one", "must be the number of a tier, such as 1, or JSON"),
        ("true", "must be the number of a tier"),
        ("null", "must be the number of a tier"),
        ("0", "has no tier 0"),
        ('{"provider": "acme", "tokens": 1}', "no provider 'acme'"),
        ("[1]", "unknown name"),
    ],
)
def test_invalid_limits_are_explained_in_one_line(grabient: Grabient, limits: str, reason: str) -> None:
    result = grabient("sandbox", "--limits", limits)
    assert (result.status, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert reason in line


def test_a_port_that_is_taken_is_explained_in_one_line(grabient: Grabient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for command in ("sandbox", "dev"):
            result = grabient(command, "--port", taken.getsockname()[1])
            assert (result.status, result.out) == (1, "")
            assert len(result.err.splitlines()) == 1
            assert "--port" in result.err


def test_dev_serves_dagster_and_leaves_nothing_behind(started: Started, data_dir: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = {path.name for path in PROJECT_ROOT.iterdir()}
    process = started("dev", "--demo", "--port", port)
    deadline = time.monotonic() + 60
    while not _answers(f"http://127.0.0.1:{port}/server_info"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert len(started.remaining()) > 3
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "is ready" in err or "Starting Dagster at" in err
    assert "superseded" not in out + err
    assert started.remaining() == []
    assert (data_dir / "demo" / "state" / "dagster" / "history").is_dir()
    assert {path.name for path in PROJECT_ROOT.iterdir()} - before <= {".hypothesis", ".pytest_cache"}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_the_dagster_home_is_below_any_data_directory(tmp_path: Path) -> None:
    home = write_dagster_home(Settings(tmp_path / "elsewhere"))
    assert home == tmp_path / "elsewhere" / "state" / "dagster"
    written = yaml.safe_load((home / "dagster.yaml").read_text("utf-8"))
    original = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text("utf-8"))
    assert written["storage"]["sqlite"]["base_dir"] == str(home)
    assert written["compute_logs"]["config"]["base_dir"] == str(home / "compute_logs")
    assert written.keys() == original.keys()
    assert "data/state/dagster" not in (home / "dagster.yaml").read_text("utf-8").replace(str(home), "")
    (location,) = yaml.safe_load((home / "workspace.yaml").read_text("utf-8"))["load_from"]
    assert location["python_module"] == {
        "module_name": "grabient_pipeline.definitions",
        "location_name": "grabient_pipeline",
        "working_directory": str(PROJECT_ROOT),
    }
