"""One sandbox process for all drills of a test process, and the data directories that they begin with."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from drills.ground import Ground, laid_out, prepared
from drills.runner import Place
from grabient_pipeline.sandbox import SandboxServer


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with SandboxServer(where="process", batch_seconds=0) as server:
        yield Place(server, tmp_path_factory.mktemp("drills"))


@pytest.fixture
def ground(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Three palettes and OpenAI, to go wrong with by hand."""
    folder = tmp_path_factory.mktemp("ground") / "drill"
    ground = Ground(place.sandbox, folder, random.Random(1), ("openai",))
    with laid_out(ground, prepared(place.sandbox, place.folder, "tagging")):
        yield ground
