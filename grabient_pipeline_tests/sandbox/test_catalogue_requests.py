"""What the catalogue sends is accepted by the sandbox, whose abilities are written from the providers' documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from grabient_pipeline.batches.stages import REFINEMENT, TAGGING
from grabient_pipeline.palette import describe_palettes
from grabient_pipeline.providers.base import ResultRow, Route
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.registry import Providers, request_format
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.tagging import user_message


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Providers]:
    folder: Path = tmp_path_factory.mktemp("direct")
    with SandboxServer(batch_seconds=0) as server:
        yield Providers(server.environment(), folder)


@pytest.fixture(scope="module")
def text(sample_rows: list[dict[str, str]]) -> str:
    (described,) = describe_palettes([sample_rows[0]["seed"]])
    return user_message(described.colour_data.decode())


@pytest.mark.parametrize("stage", [TAGGING, REFINEMENT], ids=lambda stage: stage.name)
@pytest.mark.parametrize("model", load_catalogue().models, ids=lambda model: model.name)
def test_every_model_answers_within_its_limit(providers, text, model, stage):
    request = request_format(model.provider, "batch").request(model, stage.payload, "abcdefghijklmnop_1_1", text)
    provider = providers.open(Route(model.provider))
    row = provider.read_row(orjson.dumps(provider.ask(model.id, request)))
    assert isinstance(row, ResultRow), row
    assert (row.outcome, row.error) == ("succeeded", None)
    assert 0 < row.output_tokens <= model.max_output_tokens
    assert stage.parse(row.text, row.finish_reason).error is None
