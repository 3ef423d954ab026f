"""What all tests share: a clean environment, and a pipeline with its own data directory and sandbox."""

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

from grabient_pipeline.batches.config import write_patience
from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.sandbox.app import call_of
from grabient_pipeline.settings import SAMPLE_PALETTES, Settings

PROVIDER_VARIABLES = [
    variable
    for provider in load_catalogue().providers.values()
    for variable in (provider.key_variable, provider.base_url_variable)
]
# Set in a developer's shell, any of these would redirect a test or give it a real key.
STRAY_VARIABLES = [
    *PROVIDER_VARIABLES,
    *"""
    ANTHROPIC_AUTH_TOKEN ANTHROPIC_CUSTOM_HEADERS ANTHROPIC_PROFILE
    OPENAI_ADMIN_KEY OPENAI_CUSTOM_HEADERS OPENAI_ORG_ID OPENAI_PROJECT_ID
    GROQ_CUSTOM_HEADERS
    GOOGLE_API_KEY GEMINI_API_KEY GOOGLE_VERTEX_BASE_URL
    GOOGLE_GENAI_API_VERSION GOOGLE_GENAI_USE_VERTEXAI GOOGLE_GENAI_USE_ENTERPRISE GOOGLE_GENAI_HTTP_CLIENT
    GOOGLE_APPLICATION_CREDENTIALS GOOGLE_CLOUD_PROJECT GOOGLE_CLOUD_LOCATION
    CF_ACCOUNT_ID CF_API_TOKEN CF_D1_DATABASE_ID
    CLOUDFLARE_API_TOKEN CLOUDFLARE_API_KEY CLOUDFLARE_EMAIL CLOUDFLARE_BASE_URL CLOUDFLARE_CUSTOM_HEADERS
    R2_BUCKET R2_ENDPOINT R2_ACCESS_KEY_ID R2_SECRET_ACCESS_KEY R2_PUBLIC_URL R2_PREFIX R2_REGION
    GRABIENT_DATA_DIR GRABIENT_DIRECT GRABIENT_EMBEDDING_MODEL GRABIENT_MAX_COST_USD GRABIENT_POLL_SECONDS
    GRABIENT_REFINEMENT_MODEL GRABIENT_SANDBOX GRABIENT_KEEP_REQUEST_FILES
    HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy SSL_CERT_FILE SSL_CERT_DIR
""".split(),
]

PALETTES = 3
LEDGER_TABLES = (
    "tag_batches",
    "tag_requests",
    "request_claims",
    "tag_responses",
    "prompt_versions",
    "collection_findings",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the tests that mostly wait first, so that the others run meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in STRAY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def sample_rows() -> list[dict[str, Any]]:
    """The sample palettes as rows of their file, each with its three encodings."""
    return [json.loads(line) for line in SAMPLE_PALETTES.read_text("utf-8").splitlines()]


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A new sandbox, whose responses depend only on the requests of this test."""
    with SandboxServer(batch_seconds=0) as server:
        yield server


class Workbench:
    """A pipeline with its own data directory and sandbox, and what tests do with both."""

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
        """Query the working database."""
        with self.pipeline.warehouse.connect() as connection:
            return connection.execute(sql, parameters).fetchall()

    def value(self, sql: str, parameters: object = None) -> Any:
        ((value,),) = self.rows(sql, parameters)
        return value

    def ledger(self) -> dict[str, list[Any]]:
        """Return all rows of the tables that a backfill writes to."""
        return {table: self.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in LEDGER_TABLES}  # noqa: S608

    def states(self) -> dict[str, int]:
        return dict(self.rows("SELECT state, count(*) FROM tag_requests GROUP BY state"))

    def findings(self) -> dict[str, int]:
        return dict(self.rows("SELECT kind, count(*) FROM collection_findings GROUP BY kind"))

    def provider_batches(self) -> list[Any]:
        """Return the batches that exist at the providers, in the ledger or not."""
        return self.server.sandbox.store.batches()

    def provider_request_count(self) -> int:
        return sum(batch.request_count for batch in self.provider_batches())

    def creations(self) -> int:
        """Count the calls that create a batch."""
        providers = self.server.sandbox.providers
        calls = [(call["path"].split("/")[1], call) for call in self.server.sandbox.requests]
        return sum(
            call_of(providers[key], call["method"], call["path"]) == "creating"
            for key, call in calls
            if key in providers
        )

    def lose_patience(self) -> None:
        """Settle every batch at the first look, whatever its provider still owes."""
        write_patience(self.pipeline.warehouse, 0)

    def wait(self) -> None:
        """Wait until every batch that is neither slow nor stuck has ended."""
        wait_for_batches(self.server)

    def settle(self) -> Any:
        """Wait, poll, collect and parse; return the report of the collection."""
        self.wait()
        self.pipeline.poll()
        report = self.pipeline.collect()
        self.pipeline.parse_answers()
        return report

    def billed_twice(self) -> dict[str, int]:
        """Count the requests that were billed more than once, by provider."""
        billed = self.server.sandbox.billed()
        return {provider: bill["custom_ids_billed_more_than_once"] for provider, bill in billed.items()}


def wait_for_batches(server: SandboxServer) -> None:
    """Wait until every batch that is neither slow nor stuck has ended."""
    deadline = time.monotonic() + 20
    while any(
        b.seconds < 100 and not b.stuck and not b.phase(time.time()).ended for b in server.sandbox.store.batches()
    ):
        assert time.monotonic() < deadline, "a batch has not ended"
        time.sleep(0.005)


def copy_template(template: Path, data_dir: Path, **options: Any) -> Settings:
    """Copy a template's database into a new data directory and return its settings."""
    settings = Settings(data_dir, **options)
    settings.create_directories()
    shutil.copyfile(Settings(template).warehouse, settings.warehouse)
    return settings


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """A function that makes a folder once for all processes of a test run. Its contents must not change."""

    def make_folder(name: str, make: Callable[[Path], None]) -> Path:
        base = tmp_path_factory.getbasetemp()
        folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
        with filelock.FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                partial = folder.with_suffix(".part")
                partial.mkdir()
                make(partial)
                partial.rename(folder)
        return folder

    return make_folder


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template with empty tables; creating them takes longer than most tests."""
    data_dir = tmp_path_factory.mktemp("blank")
    with Pipeline(Settings(data_dir), {}).warehouse.connect():
        return data_dir


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory, sample_rows: list[dict[str, Any]]) -> Path:
    """A template with three palettes."""
    data_dir = tmp_path_factory.mktemp("imported")
    seeds = data_dir / "seeds.txt"
    seeds.write_text("".join(f"{row['seed']}\n" for row in sample_rows[:PALETTES]), "utf-8")
    Pipeline(Settings(data_dir), {}).import_palettes([seeds])
    return data_dir


@pytest.fixture
def workbench(tmp_path: Path, imported: Path, sandbox: SandboxServer) -> Workbench:
    """Three palettes and no batches."""
    return Workbench(copy_template(imported, tmp_path / "data", sandbox=True), sandbox)


@pytest.fixture
def run_python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python code in a process that ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
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
