"""Custom ids say what their rows are about, and are read back from batches that no ledger knows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_pipeline.batches.custom_ids import (
    CustomIds,
    RequestIdentity,
    custom_id_length,
    model_digest,
    read_custom_id,
)
from grabient_pipeline.batches.orders import MAX_ANALYSIS_COUNT, RefinementRequest
from grabient_pipeline.batches.stages import REFINEMENT, STAGES
from grabient_pipeline.providers.base import BatchIdentity
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline_tests.catalogue import MODELS

TAGGING_BATCH = BatchIdentity("abcdefghijklmn23", "q0zx9", "tagging", "openai/gpt-4o-mini", "0123456789ab", 6)
REFINEMENT_BATCH = replace(TAGGING_BATCH, stage="refinement")
PALETTES = ["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"]
BASES = [f"0123456789ab/{digit * 32}" for digit in "def"]

base32 = "abcdefghijklmnopqrstuvwxyz234567"
hexadecimal = "0123456789abcdef"
batches = st.builds(
    BatchIdentity,
    submission=st.text(base32, min_size=16, max_size=16),
    ledger=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=5, max_size=5),
    stage=st.sampled_from(sorted(STAGES)),
    model=st.sampled_from([model.name for model in load_catalogue().models]),
    prompt_version=st.text(hexadecimal, min_size=12, max_size=12),
    request_count=st.integers(1, 10),
)
palette_ids = st.lists(st.text(base32, min_size=16, max_size=16), min_size=1, max_size=5)


@given(batch=batches, palette_ids=palette_ids, analysis=st.integers(0, MAX_ANALYSIS_COUNT - 1), data=st.data())
def test_what_is_written_is_read_back(batch, palette_ids, analysis, data):
    hashes = data.draw(st.lists(st.text(hexadecimal, min_size=32, max_size=32), min_size=len(palette_ids)))
    bases = [f"{batch.prompt_version}/{digest}" for digest in hashes[: len(palette_ids)]]
    ids = CustomIds.of(batch, palette_ids, bases).render(range(len(palette_ids)), [analysis] * len(palette_ids))
    for custom_id, palette_id, digest in zip(ids, palette_ids, hashes, strict=False):
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", custom_id)
        assert len(custom_id) == custom_id_length(batch.stage)
        assert custom_id.startswith(f"{batch.submission}_")
        assert read_custom_id(custom_id) == RequestIdentity(
            batch.submission,
            batch.ledger,
            batch.stage,
            analysis,
            palette_id,
            model_digest(*batch.model.split("/", 1)),
            batch.prompt_version[:8],
            digest[:6] if batch.stage == "refinement" else None,
        )


def test_the_two_forms():
    digest = model_digest("openai", "gpt-4o-mini")
    head = "abcdefghijklmn23_q0zx9"
    (tagging,) = CustomIds.of(TAGGING_BATCH, PALETTES, [None] * 3).render([1], [7])
    assert tagging == f"{head}_t07_bbbbbbbbbbbbbbbb_{digest}_01234567"
    (refinement,) = CustomIds.of(REFINEMENT_BATCH, PALETTES, BASES).render([2], [0])
    assert refinement == f"{head}_r00_cccccccccccccccc_{digest}_01234567_ffffff"


@pytest.mark.parametrize("batch", [TAGGING_BATCH, REFINEMENT_BATCH], ids=["tagging", "refinement"])
def test_the_ids_of_a_batch_differ(batch):
    rows = [(position, analysis) for position in range(3) for analysis in range(MAX_ANALYSIS_COUNT)]
    positions, analyses = zip(*rows, strict=True)
    assert len(set(CustomIds.of(batch, PALETTES, BASES).render(positions, analyses))) == len(rows)


def test_no_two_models_share_a_digest():
    """A retired model stays in the catalogue, and its rows can still come back."""
    digests = [model_digest(model.provider, model.id) for model in load_catalogue().models]
    assert len(set(digests)) == len(digests)
    assert all(re.fullmatch("[a-z2-7]{4}", digest) for digest in digests)


@pytest.mark.parametrize(
    "text",
    [
        "abcdefghijklmn23_000042",
        "abcdefghijklmn23",
        "convexabcdefghijk_j57abc",
        "request-1",
        "",
        "abcdefghijklmn23_q0zx9_t07_bbbbbbbbbbbbbbbb_abcd_01234567_ffffff",
        "abcdefghijklmn23_q0zx9_r00_bbbbbbbbbbbbbbbb_abcd_01234567",
        "abcdefghijklmn23_q0zx9_t7_bbbbbbbbbbbbbbbb_abcd_01234567",
        "abcdefghijklmn23_q0zx9_t٠٧_bbbbbbbbbbbbbbbb_abcd_01234567",
        "abcdefghijklmn23_q0zx9_t07_bbbbbbbbbbbbbbbb_abcd_01234567\n",
    ],
)
def test_an_id_of_another_form_says_nothing(text):
    assert read_custom_id(text) is None


@given(st.text(max_size=70))
def test_any_text_can_be_read(text):
    read_custom_id(text)


@pytest.mark.parametrize("key", MODELS)
def test_every_provider_returns_the_ids_that_were_sent(workbench, key):
    workbench.backfill(MODELS[key], analysis_count=2)
    workbench.settle()
    assert sum(workbench.states().values()) == 6
    assert "in_flight" not in workbench.states()
    assert set(workbench.findings()) <= {"unreadable"}


def test_a_refinement_names_the_consensus_that_it_is_based_on(workbench):
    workbench.backfill(MODELS["openai"], analysis_count=2)
    workbench.settle()
    workbench.pipeline.count_consensus()
    workbench.pipeline.refine(RefinementRequest(model=MODELS["openai"]))
    rows = workbench.rows(
        "SELECT custom_id, basis, palette_id FROM tag_requests JOIN palettes USING (seed) WHERE stage = 'refinement'"
    )
    assert rows
    for custom_id, basis, palette_id in rows:
        identity = read_custom_id(custom_id)
        assert (identity.stage, identity.palette_id) == ("refinement", palette_id)
        assert basis.partition("/")[2].startswith(identity.digest)
        assert identity.prompt == REFINEMENT.prompt.version[:8]


@pytest.mark.parametrize("key", ["openai", "groq", "google"])
def test_a_batch_says_what_it_is_about(workbench, key):
    workbench.backfill(MODELS[key], analysis_count=1)
    ((submission, version),) = workbench.rows("SELECT submission, prompt_version FROM tag_batches")
    ledger = workbench.value("SELECT ledger_id FROM config")
    (batch,) = workbench.provider_batches()
    if key == "google":
        assert batch.details["display_name"] == f"{submission} {ledger} tagging {MODELS[key]} {version}"
    else:
        assert batch.details["metadata"] == {
            "submission": submission,
            "ledger": ledger,
            "stage": "tagging",
            "model": MODELS[key],
            "prompt_version": version,
            "requests": "3",
        }
