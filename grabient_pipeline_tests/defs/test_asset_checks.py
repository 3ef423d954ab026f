"""The asset checks: each passes on valid data and fails on the defect that it looks for."""

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
from grabient_pipeline.warehouse.restore import back_up
from grabient_pipeline_tests.conftest import Workbench

MINI = "openai/gpt-4o-mini"


@pytest.fixture
def tagged(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """Three palettes with one response each, and the environment variables of the sandbox for the assets."""
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
    """The same palettes, refined."""
    tagged.pipeline.refine(RefinementRequest(model=MINI))
    tagged.settle()
    tagged.pipeline.refine_answers()
    assert tagged.pipeline.status().refined == 3
    return tagged


def corrupt_and_publish(workbench: Workbench, statement: str) -> None:
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute(statement)
    workbench.pipeline.warehouse.publish()


def evaluate(check: dg.AssetChecksDefinition) -> dg.AssetCheckResult:
    result = check(PipelineResource())
    assert isinstance(result, dg.AssetCheckResult)
    return result


def test_checks_pass_on_valid_data(tagged: Workbench):
    for check in (
        checks.seeds_decode,
        checks.no_orphaned_batch,
        checks.nothing_overdue,
        checks.paid_answers_are_kept,
        checks.no_model_paused,
        checks.backup_is_recent,
        checks.cost_is_within_the_cap,
        checks.closed_vocabulary_valid,
        checks.palettes_have_all_their_analyses,
        checks.published_copy_current,
        checks.consensus_counts_every_usable_answer,
    ):
        assert evaluate(check).passed, check


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
    ("check", "statement", "message"),
    [
        pytest.param(
            checks.seeds_decode,
            "UPDATE palettes SET seed = 'no seed' WHERE seed = (SELECT min(seed) FROM palettes)",
            "1 of 3 cannot be decoded",
            id="an invalid seed",
        ),
        pytest.param(checks.no_orphaned_batch, _RESERVED, "1 batch, the oldest since", id="a lost batch"),
        pytest.param(checks.nothing_overdue, _OVERDUE, "1 batch: grabient cancel", id="an overdue batch"),
        pytest.param(
            checks.paid_answers_are_kept,
            "DELETE FROM tag_responses WHERE custom_id = (SELECT min(custom_id) FROM tag_responses)",
            "1 answer paid for and not kept, 0 waited for",
            id="an answer that is not kept",
        ),
        pytest.param(
            checks.no_model_paused,
            "INSERT INTO paused_models VALUES ('openai', 'gpt-4o-mini', 'it fails', now(), NULL)",
            "openai/gpt-4o-mini is paused: it fails",
            id="a paused model",
        ),
        pytest.param(
            checks.cost_is_within_the_cap,
            "UPDATE tag_batches SET collected_at = NULL, waiting_count = NULL, estimated_cost_usd = 1000",
            "$1000.00 is outstanding, the cap is $25.00",
            id="more outstanding than the cap",
        ),
        *(
            pytest.param(
                checks.closed_vocabulary_valid,
                f"UPDATE palette_tags SET tags = struct_update(tags, {field} := {value}) WHERE tags IS NOT NULL",  # noqa: S608
                "3 of 3 answers contain other words",
                id=f"an invalid {field}",
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
            id="a missing analysis",
        ),
        pytest.param(
            checks.consensus_counts_every_usable_answer,
            "DELETE FROM palette_tag_consensus WHERE seed = (SELECT min(seed) FROM palettes)",
            "2 counted, 3 usable",
            id="a response that is not counted",
        ),
        pytest.param(
            checks.consensus_counts_every_usable_answer,
            "UPDATE palette_tag_consensus SET total_analyses = 2 WHERE seed = (SELECT min(seed) FROM palettes)",
            "4 counted, 3 usable",
            id="a response that is counted twice",
        ),
    ],
)
def test_a_check_fails_on_the_defect_that_it_looks_for(
    tagged: Workbench, check: dg.AssetChecksDefinition, statement: str, message: str
):
    corrupt_and_publish(tagged, statement)
    result = evaluate(check)
    assert not result.passed
    assert message in (result.description or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "1 of 3 outside", id="empty"),
        pytest.param("calm sea calm", "1 of 3 outside", id="a repeated word"),
        pytest.param(
            " ".join(f"word{number}" for number in range(MOST_WORDS + 1)),
            f"1 of 3 outside; the longest has {MOST_WORDS + 1} words",
            id="too many words",
        ),
    ],
)
def test_an_embed_text_out_of_bounds_fails(refined: Workbench, text: str, message: str):
    assert evaluate(checks.embed_texts_are_within_bounds).passed
    corrupt_and_publish(
        refined,
        f"UPDATE palette_tag_refined SET embed_text = '{text}' WHERE seed = (SELECT min(seed) FROM palettes)",  # noqa: S608
    )
    result = evaluate(checks.embed_texts_are_within_bounds)
    assert not result.passed
    assert message in (result.description or "")


def test_an_outdated_published_copy_fails(tagged: Workbench):
    with tagged.pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE config SET tag_analysis_count = 3")
    assert evaluate(checks.published_copy_current).passed, "a step that has just written publishes next"
    path: Path = tagged.settings.warehouse
    os.utime(path, (time.time() - 600, time.time() - 600))
    result = evaluate(checks.published_copy_current)
    assert not result.passed
    assert re.fullmatch("60[0-9] s behind", result.description or "")
    Pipeline.from_environment().warehouse.publish()
    assert evaluate(checks.published_copy_current).passed


def test_no_check_publishes_or_writes(refined: Workbench):
    """With changes that are not published yet, so that publishing would show."""
    with refined.pipeline.warehouse.connect() as connection:
        connection.execute("UPDATE config SET tag_analysis_count = 3")
    settings = refined.settings

    def snapshot() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (settings.warehouse, settings.published)}

    before = snapshot()
    assert before[settings.warehouse] != before[settings.published]
    for check in checks.CHECKS:
        evaluate(check)
        assert snapshot() == before, check


def test_a_backup_is_missed_when_the_ledger_has_changed_since(tagged: Workbench):
    folder = tagged.settings.data_dir / "backups"
    corrupt_and_publish(tagged, "UPDATE schema_migrations SET applied_at = applied_at - INTERVAL 30 MINUTES")
    assert evaluate(checks.backup_is_recent).passed, "the ledger is younger than an hour"
    corrupt_and_publish(
        tagged, "UPDATE schema_migrations SET applied_at = now() - INTERVAL 5 DAYS; UPDATE config SET backups = '0,0,0'"
    )
    none = evaluate(checks.backup_is_recent)
    assert not none.passed
    assert none.severity == dg.AssetCheckSeverity.WARN
    assert not folder.exists()
    back_up(tagged.pipeline.warehouse, folder)
    recent = evaluate(checks.backup_is_recent)
    assert recent.passed
    (snapshot,) = folder.iterdir()
    assert recent.metadata["newest"].value == str(snapshot)
    old = snapshot.with_name(re.sub(r"-\d{8}T", "-20260101T", snapshot.name))
    snapshot.rename(old)
    assert evaluate(checks.backup_is_recent).passed, "nothing has changed since"
    tagged.pipeline.set_analysis_count(2)
    assert "grabient backup" in str(evaluate(checks.backup_is_recent).description)
    assert not evaluate(checks.backup_is_recent).passed
