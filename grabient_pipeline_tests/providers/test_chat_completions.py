"""The functions for OpenAI-like batch APIs, used for a provider with other field names, Mistral."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.errors import ProviderRefused, ProviderUncertain
from grabient_pipeline.providers.base import BatchStatus, LookupRequest
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.chat_completions import (
    chat_request,
    download_files,
    find_submission,
    read_batch_state,
)
from grabient_pipeline.providers.transport.rows import iterate_pages, next_page

ENDED: dict[str, BatchStatus] = {
    "SUCCESS": "completed",
    "FAILED": "failed",
    "TIMEOUT_EXCEEDED": "expired",
    "CANCELLED": "cancelled",
}
LOOKUP = LookupRequest("ours", dt.datetime(2026, 11, 1, tzinfo=dt.UTC), 3)


def job(**fields: Any) -> dict[str, Any]:
    return {"id": "job-1", "input_files": ["file-1"], "metadata": {}, "status": "RUNNING", **fields}


def test_the_output_limit_field_can_be_renamed() -> None:
    model = load_catalogue().model("openai/gpt-4o-mini")
    usual = chat_request(model, TAGGING.payload, "a_1", "text")["body"]
    other = chat_request(model, TAGGING.payload, "a_1", "text", output_limit_field="max_tokens")["body"]
    assert other["max_tokens"] == usual.pop("max_completion_tokens") == model.max_output_tokens
    assert other == {**usual, "max_tokens": model.max_output_tokens}


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("QUEUED", "submitted"),
        ("RUNNING", "submitted"),
        ("CANCELLATION_REQUESTED", "submitted"),
        ("SOMETHING_NEW", "submitted"),
        *ENDED.items(),
    ],
)
def test_other_statuses_and_counts_are_read(word: str, status: str) -> None:
    batch = job(status=word, succeeded_requests=2, failed_requests=1, completed_at=1_790_000_000)
    state = read_batch_state(
        batch,
        ENDED,
        completed=batch["succeeded_requests"],
        failed=batch["failed_requests"],
        end_times=("completed_at",),
    )
    assert (state.status, state.provider_status, state.completed, state.failed) == (status, word, 2, 1)
    assert state.ended_at == dt.datetime.fromtimestamp(1_790_000_000, dt.UTC)


def test_files_under_other_names_are_downloaded_where_they_exist(tmp_path: Path) -> None:
    def download(file_id: str, path: Path) -> Path:
        path.write_text(file_id)
        return path

    names = {"output_file": "output.jsonl", "error_file": "error.jsonl"}
    assert download_files(job(output_file=None, error_file={}), tmp_path, names, download) == []
    paths = download_files(job(output_file="file-2", error_file="file-3"), tmp_path, names, download)
    assert [(path.name, path.read_text()) for path in paths] == [("output.jsonl", "file-2"), ("error.jsonl", "file-3")]


def test_an_uncertain_download_is_repeated_and_a_refused_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    calls: list[str] = []

    def download(file_id: str, path: Path) -> Path:
        calls.append(file_id)
        raise (ProviderUncertain if file_id == "cut" else ProviderRefused)("mistral", "no")

    for file_id, error in (("cut", ProviderUncertain), ("gone", ProviderRefused)):
        with pytest.raises(error):
            download_files(job(output_file=file_id), tmp_path, {"output_file": "output.jsonl"}, download)
    assert calls == ["cut", "cut", "cut", "gone"]


class TestLookup:
    @pytest.mark.parametrize(
        ("batch", "files", "evidence"),
        [
            (job(metadata={"submission": "ours"}), {}, "its metadata carries the submission"),
            (job(input_files=["file-0", "file-1"]), {"ours.jsonl": ["file-1"]}, "its input file carries"),
        ],
        ids=["metadata", "one of its input files"],
    )
    def test_an_existing_batch_is_found(
        self, batch: dict[str, Any], files: dict[str, list[str]], evidence: str
    ) -> None:
        batches = [job(id="job-0", input_files=[]), batch]
        result = find_submission(
            LOOKUP, batches, lambda name: files.get(name, ()), lambda batch: batch.get("input_files", ())
        )
        assert (result.batch_id, result.thorough) == ("job-1", True)
        assert evidence in result.evidence

    def test_a_missing_batch_is_not_found(self) -> None:
        batches = [job(metadata={"submission": "another"}), job(id="job-2", metadata=None)]
        result = find_submission(LOOKUP, batches, lambda name: ["file-9"])
        assert (result.batch_id, result.thorough) == (None, True)
        assert result.evidence.startswith("2 batches since 2026-11-01")

    def test_a_lookup_without_a_time_covers_every_batch(self) -> None:
        lookup = LookupRequest("ours", None, 3)
        assert lookup.earliest is None
        result = find_submission(lookup, [job()], lambda name: [])
        assert result.evidence == "1 batches ever, none of them ours"


class TestPaging:
    def test_pages_are_fetched_one_at_a_time(self) -> None:
        fetched: list[str | None] = []

        def list_page(cursor: str | None) -> int:
            fetched.append(cursor)
            return int(cursor or 0)

        pages = iterate_pages(list_page, lambda page, _: str(page + 1) if page < 2 else None)
        assert next(pages) == 0
        assert fetched == [None]
        assert list(pages) == [1, 2]
        assert fetched == [None, "1", "2"]

    @pytest.mark.parametrize("last_id", [None, "", 7, "same"])
    def test_a_page_without_a_cursor_to_the_next_is_incomplete(self, last_id: object) -> None:
        with pytest.raises(ProviderUncertain, match="incomplete"):
            next_page("mistral", True, last_id, "same")
        assert next_page("mistral", False, last_id, "same") is None
