"""One sandbox process for all drills of a test process, and the data directories they start from."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from drills.environment import DrillEnvironment, prepare_template, set_up
from drills.runner import Worker
from grabient_pipeline.sandbox import SandboxServer


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with SandboxServer(where="process", batch_seconds=0) as server:
        yield Worker(server, tmp_path_factory.mktemp("drills"))


@pytest.fixture
def drill_environment(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillEnvironment]:
    """Three palettes and OpenAI, for tests that cause a failure by hand."""
    folder = tmp_path_factory.mktemp("environment") / "drill"
    environment = DrillEnvironment(worker.sandbox, folder, random.Random(1), ("openai",))
    with set_up(environment, prepare_template(worker.sandbox, worker.folder, "tagging")):
        yield environment
