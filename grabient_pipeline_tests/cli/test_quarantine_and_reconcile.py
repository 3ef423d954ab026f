from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
from grabient_pipeline_tests.cli.conftest import Grabient
from grabient_pipeline_tests.conftest import copy_template, wait_for_batches


@pytest.mark.usefixtures("keys", "three_palettes")
def test_an_empty_quarantine(grabient: Grabient) -> None:
    assert grabient("quarantine").out == "Quarantine is empty.\n"
    assert grabient("quarantine", "--free").out == "Released 0 requests; the next backfill submits them again.\n"
    assert grabient("quarantine", "--json").json == {"resting": [], "freed": 0}
    refused = grabient("quarantine", "--model", "openai/gpt-4o-mini")
    assert (refused.status, refused.out) == (1, "")
    assert "--model requires --free" in refused.err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_nothing_to_reconcile_or_cancel(grabient: Grabient) -> None:
    assert grabient("reconcile").out == "No batches are lost.\n"
    assert grabient("cancel", "--all").out == "No batches are pending.\n"
    refused = grabient("cancel")
    assert (refused.status, refused.out) == (1, "")
    assert "pass --all" in refused.err


@pytest.mark.usefixtures("keys", "three_palettes")
def test_batches_that_the_ledger_lacks(
    grabient: Grabient, data_dir: Path, imported: Path, sandbox: SandboxServer
) -> None:
    order = ("backfill", "--model", "openai/gpt-4o-mini", "--analysis-count", 1)
    assert grabient(*order).status == 0
    wait_for_batches(sandbox)
    with Warehouse.at(Settings(data_dir)).connect() as connection:
        ((lost,),) = connection.execute("SELECT ledger_id FROM config").fetchall()
    shutil.rmtree(data_dir)
    with Warehouse.at(copy_template(imported, data_dir)).connect() as connection:
        connection.execute("UPDATE config SET ledger_id = 'other'")

    refused = grabient(*order)
    assert (refused.status, refused.out) == (1, "")
    assert (
        f"nothing was submitted, because it may be paid for already: the ledger lacks 1 batch of the ledger {lost}"
        in refused.err
    )
    assert "--ignore-unknown submits it" in refused.err

    found = grabient("reconcile")
    assert (found.status, "No batches" in found.out) == (0, False)
    assert f"grabient reconcile --adopt {lost}" in found.out
    document = grabient("reconcile", "--adopt", lost, "--json").json
    assert [(each["model"], document["other_ledgers"], document["unreadable"]) for each in document["found"]] == [
        ("openai/gpt-4o-mini", {}, {})
    ]
    assert "3 answers, 3 usable" in grabient("poll").out
    assert grabient(*order, "--json").json["requests"] == 0


@pytest.mark.usefixtures("keys", "three_palettes")
def test_submitting_although_something_is_unknown(grabient: Grabient, data_dir: Path, imported: Path) -> None:
    order = ("backfill", "--model", "openai/gpt-4o-mini", "--analysis-count", 1)
    assert grabient(*order).status == 0
    shutil.rmtree(data_dir)
    with Warehouse.at(copy_template(imported, data_dir)).connect() as connection:
        connection.execute("UPDATE config SET ledger_id = 'other'")
    assert grabient(*order, "--ignore-unknown", "--json").json["requests"] == 3
