"""The asset checks: each is passed where all is well, and fails where what it looks at is not."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from grabient_pipeline.batches.orders import RefinementRequest
from grabient_pipeline.defs import asset_checks as checks
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.tagging.embed_text import MOST_WORDS
from grabient_pipeline_tests.conftest import Workbench

MINI = "openai/gpt-4o-mini"


@pytest.fixture
def tagged(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """Three palettes, each described once, and the variables by which an asset finds them."""
    for name, value in workbench.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(workbench.settings.data_dir))
    workbench.pipeline.set_analysis_count(1)
    workbench.backfill(MINI, analysis_count=1)
    workbench.settle()
    workbench.pipeline.count_consensus()
    yield workbench


@pytest.fixture
def refined(tagged: Workbench) -> Workbench:
    """The same, refined."""
    tagged.pipeline.refine(RefinementRequest(model=MINI))
    tagged.settle()
    tagged.pipeline.refine_answers()
    assert tagged.pipeline.status().refined == 3
    return tagged


def spoil(workbench: Workbench, statement: str) -> None:
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute(statement)
    workbench.pipeline.warehouse.publish()


def evaluated(check: dg.AssetChecksDefinition) -> dg.AssetCheckResult:
    result = check(PipelineResource())
    assert isinstance(result, dg.AssetCheckResult)
    return result


def test_all_is_well(tagged: Workbench):
    for check in (
        checks.seeds_decode,
        checks.no_orphaned_batch,
        checks.nothing_overdue,
        checks.cost_is_within_the_cap,
        checks.closed_vocabulary_valid,
        checks.palettes_have_all_their_analyses,
        checks.published_copy_current,
        checks.consensus_counts_every_usable_answer,
    ):
        assert evaluated(check).passed, check


_RESERVED = """
    INSERT INTO tag_batches BY NAME
    SELECT * REPLACE (
        'lost' AS submission, NULL AS batch_id, 'reserved' AS status, now() - INTERVAL 2 HOURS AS created_at
    )
    FROM tag_batches
"""
_OVERDUE = """
    INSERT INTO tag_batches BY NAME
    SELECT * REPLACE (
        'late' AS submission, 'batch-late' AS batch_id, 'submitted' AS status, NULL AS collected_at,
        now() - INTERVAL 3 DAYS AS submitted_at
    )
    FROM tag_batches
"""


@pytest.mark.parametrize(
    ("check", "statement", "said"),
    [
        pytest.param(
            checks.seeds_decode,
            "UPDATE palettes SET seed = 'no seed' WHERE seed = (SELECT min(seed) FROM palettes)",
            "1 of 3 cannot be decoded",
            id="a seed that is none",
        ),
        pytest.param(checks.no_orphaned_batch, _RESERVED, "1 batch, the oldest since", id="a batch that nobody finds"),
        pytest.param(checks.nothing_overdue, _OVERDUE, "1 batch: grabient cancel", id="a batch that is late"),
        pytest.param(
            checks.cost_is_within_the_cap,
            "UPDATE tag_batches SET collected_at = NULL, estimated_cost_usd = 1000",
            "$1000.00 is outstanding, the cap is $25.00",
            id="more under way than the cap",
        ),
        *(
            pytest.param(
                checks.closed_vocabulary_valid,
                f"UPDATE palette_tags SET tags = struct_update(tags, {field} := {value}) WHERE tags IS NOT NULL",  # noqa: S608
                "3 of 3 answers contain other words",
                id=f"{field} of its own",
            )
            for field, value in (
                ("harmony", "['harmonious']"),
                ("seasonal", "['monsoon']"),
                ("temperature", "'lukewarm'"),
                ("contrast", "'some'"),
                ("brightness", "'glowing'"),
                ("saturation", "'juicy'"),
            )
        ),
        pytest.param(
            checks.palettes_have_all_their_analyses,
            "DELETE FROM palette_tags WHERE seed = (SELECT min(seed) FROM palettes)",
            "2 of 3 palettes are complete",
            id="an analysis that is missing",
        ),
        pytest.param(
            checks.consensus_counts_every_usable_answer,
            "DELETE FROM palette_tag_consensus WHERE seed = (SELECT min(seed) FROM palettes)",
            "2 counted, 3 usable",
            id="an answer that is not counted",
        ),
        pytest.param(
            checks.consensus_counts_every_usable_answer,
            "UPDATE palette_tag_consensus SET total_analyses = 2 WHERE seed = (SELECT min(seed) FROM palettes)",
            "4 counted, 3 usable",
            id="an answer that is counted twice",
        ),
    ],
)
def test_it_fails_where_it_has_to(tagged: Workbench, check: dg.AssetChecksDefinition, statement: str, said: str):
    spoil(tagged, statement)
    result = evaluated(check)
    assert not result.passed
    assert said in (result.description or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "1 of 3 outside", id="none"),
        pytest.param("calm sea calm", "1 of 3 outside", id="a word twice"),
        pytest.param(
            " ".join(f"word{number}" for number in range(MOST_WORDS + 1)),
            f"1 of 3 outside; the longest has {MOST_WORDS + 1} words",
            id="too many words",
        ),
    ],
)
def test_an_embed_text_out_of_bounds(refined: Workbench, text: str, said: str):
    assert evaluated(checks.embed_texts_are_within_bounds).passed
    spoil(
        refined,
        f"UPDATE palette_tag_refined SET embed_text = '{text}' WHERE seed = (SELECT min(seed) FROM palettes)",  # noqa: S608
    )
    result = evaluated(checks.embed_texts_are_within_bounds)
    assert not result.passed
    assert said in (result.description or "")


def test_a_published_file_that_stays_behind(tagged: Workbench):
    with tagged.pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE config SET tag_analysis_count = 3")
    assert evaluated(checks.published_copy_current).passed, "whoever has just written publishes next"
    path: Path = tagged.settings.warehouse
    os.utime(path, (time.time() - 600, time.time() - 600))
    result = evaluated(checks.published_copy_current)
    assert not result.passed
    assert re.fullmatch("60[0-9] s behind", result.description or "")
    Pipeline.from_environment().warehouse.publish()
    assert evaluated(checks.published_copy_current).passed
