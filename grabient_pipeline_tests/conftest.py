"""What all tests share: a clean environment, and a pipeline of one's own on a sandbox of one's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import pytest

from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.settings import SAMPLE_PALETTES, Settings

# Any of these in a developer's shell would send a test somewhere else, or carry a real key into it.
STRAY_VARIABLES = """
    ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL ANTHROPIC_CUSTOM_HEADERS ANTHROPIC_PROFILE
    OPENAI_API_KEY OPENAI_ADMIN_KEY OPENAI_BASE_URL OPENAI_CUSTOM_HEADERS OPENAI_ORG_ID OPENAI_PROJECT_ID
    GROQ_API_KEY GROQ_BASE_URL GROQ_CUSTOM_HEADERS
    GOOGLE_API_KEY GEMINI_API_KEY GOOGLE_GENERATIVE_AI_API_KEY GOOGLE_GEMINI_BASE_URL GOOGLE_VERTEX_BASE_URL
    GOOGLE_GENAI_API_VERSION GOOGLE_GENAI_USE_VERTEXAI GOOGLE_GENAI_USE_ENTERPRISE GOOGLE_GENAI_HTTP_CLIENT
    GOOGLE_APPLICATION_CREDENTIALS GOOGLE_CLOUD_PROJECT GOOGLE_CLOUD_LOCATION
    CF_ACCOUNT_ID CF_API_TOKEN CF_D1_DATABASE_ID
    CLOUDFLARE_API_TOKEN CLOUDFLARE_API_KEY CLOUDFLARE_EMAIL CLOUDFLARE_BASE_URL CLOUDFLARE_CUSTOM_HEADERS
    R2_BUCKET R2_ENDPOINT R2_ACCESS_KEY_ID R2_SECRET_ACCESS_KEY R2_PUBLIC_URL R2_PREFIX R2_REGION
    GRABIENT_DATA_DIR GRABIENT_DIRECT GRABIENT_EMBEDDING_MODEL GRABIENT_MAX_COST_USD GRABIENT_POLL_SECONDS
    GRABIENT_REFINEMENT_MODEL GRABIENT_SANDBOX
    HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
""".split()

PALETTES = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What mostly waits begins first, so that the work of the others fills its time."""
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in STRAY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def sample_rows() -> list[dict[str, Any]]:
    """The sample palettes as they stand in their file, each with its three encodings."""
    return [json.loads(line) for line in SAMPLE_PALETTES.read_text("utf-8").splitlines()]


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """The four batch APIs, untouched: what it answers depends only on what this test asks."""
    with SandboxServer(batch_seconds=0) as server:
        yield server


class Workbench:
    """A pipeline on a data directory of its own, the sandbox behind it, and what a test asks of both."""

    def __init__(self, settings: Settings, server: SandboxServer) -> None:
        self.settings = settings
        self.server = server
        self.environment = server.environment()
        self.pipeline = Pipeline(settings, self.environment)

    def backfill(self, *models: str, **options: Any) -> Any:
        return self.pipeline.backfill(BackfillRequest(models=models, **options))

    def arm(self, name: str, provider: str | None = None, times: int | None = None, **parameters: Any) -> None:
        self.server.sandbox.faults.arm(name, provider, times, **parameters)

    def disarm(self) -> None:
        self.server.sandbox.faults.disarm()

    def rows(self, sql: str, parameters: object = None) -> list[Any]:
        """From the working database."""
        with self.pipeline.warehouse.connect() as connection:
            return connection.execute(sql, parameters).fetchall()

    def value(self, sql: str, parameters: object = None) -> Any:
        ((value,),) = self.rows(sql, parameters)
        return value

    def states(self) -> dict[str, int]:
        return dict(self.rows("SELECT state, count(*) FROM tag_requests GROUP BY state"))

    def findings(self) -> dict[str, int]:
        return dict(self.rows("SELECT kind, count(*) FROM collection_findings GROUP BY kind"))

    def batches_there(self) -> list[Any]:
        """What was made at the providers, whoever knows of it."""
        return self.server.sandbox.store.batches()

    def requests_there(self) -> int:
        return sum(batch.request_count for batch in self.batches_there())

    def creations(self) -> int:
        """How often a provider was asked to make a batch."""
        return sum(
            call["method"] == "POST" and call["path"].endswith(("/batches", ":batchGenerateContent"))
            for call in self.server.sandbox.requests
        )

    def wait(self) -> None:
        """Until every batch that is not slow has ended at its provider."""
        deadline = time.monotonic() + 20
        while any(b.seconds < 100 and not b.phase(time.time()).ended for b in self.batches_there()):
            assert time.monotonic() < deadline, "a batch does not end"
            time.sleep(0.005)

    def settle(self) -> Any:
        """Wait, poll, collect, parse; the report of the collection."""
        self.wait()
        self.pipeline.poll()
        report = self.pipeline.collect()
        self.pipeline.parse_answers()
        return report

    def billed_twice(self) -> dict[str, int]:
        """By provider: requests that were paid for more than once."""
        billed = self.server.sandbox.billed()
        return {provider: bill["custom_ids_billed_more_than_once"] for provider, bill in billed.items()}


def begun(template: Path, data_dir: Path, **options: Any) -> Settings:
    """Settings of a data directory that begins with what is in a template's database; the template stays as it is."""
    settings = Settings(data_dir, **options)
    settings.create_directories()
    shutil.copyfile(Settings(template).warehouse, settings.warehouse)
    return settings


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Has a folder made once for all the processes of a run; nobody changes what is in it."""

    def made(name: str, make: Callable[[Path], None]) -> Path:
        own = tmp_path_factory.getbasetemp()
        folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
        with filelock.FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                part = folder.with_suffix(".part")
                part.mkdir()
                make(part)
                part.rename(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template with the tables and nothing in them: to make them takes longer than most of what is done with them."""
    data_dir = tmp_path_factory.mktemp("blank")
    with Pipeline(Settings(data_dir), {}).warehouse.connect():
        return data_dir


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory, sample_rows: list[dict[str, Any]]) -> Path:
    """A template with some palettes in it."""
    data_dir = tmp_path_factory.mktemp("imported")
    seeds = data_dir / "seeds.txt"
    seeds.write_text("".join(f"{row['seed']}\n" for row in sample_rows[:PALETTES]), "utf-8")
    Pipeline(Settings(data_dir), {}).import_palettes([seeds])
    return data_dir


@pytest.fixture
def workbench(tmp_path: Path, imported: Path, sandbox: SandboxServer) -> Workbench:
    """Three palettes, no batches."""
    return Workbench(begun(imported, tmp_path / "data", sandbox=True), sandbox)


@pytest.fixture
def run_python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python on a text, in a process of its own that does not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def start(text: str, *arguments: object, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", text, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
