"""Batches of chat completions in the format that OpenAI introduced: requests and results are files of JSON lines.

Functions for every provider whose API resembles OpenAI's, and a base class for the two whose SDKs have the same
methods, OpenAI and Groq. A provider that differs in more than its client uses the functions and inherits nothing.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from grabient_pipeline.providers.base import (
    ASK_TIMEOUT_SECONDS,
    CREATE_TIMEOUT_SECONDS,
    CUSTOM_ID_HEADER,
    TRANSFER_TIMEOUT_SECONDS,
    BatchState,
    BatchStatus,
    Framing,
    LookupRequest,
    LookupResult,
    Outcome,
    PromptPayload,
    ResultRow,
    RunsRemotely,
    Submission,
    UnreadableRow,
)
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.errors import OVERLOADED, short_text, translate_errors
from grabient_pipeline.providers.transport.rows import (
    Row,
    as_count,
    as_list,
    as_mapping,
    as_text,
    epoch_time,
    error_text,
    plain_object,
    read_line,
    text_field,
)
from grabient_pipeline.providers.transport.transfer import retry, upload_with_retry, write_chunks

COMPLETIONS_PATH: Final = "/v1/chat/completions"

_COMPLETION_WINDOW: Final = "24h"
# Any other status means that the batch has not ended.
_ENDED: Final[Mapping[str, BatchStatus]] = {
    "completed": "completed",
    "expired": "expired",
    "cancelled": "cancelled",
    "failed": "failed",
}
_END_TIMES: Final = ("completed_at", "expired_at", "cancelled_at", "failed_at")
_RESULT_FILES: Final[Mapping[str, str]] = {"output_file_id": "output.jsonl", "error_file_id": "error.jsonl"}
_NOT_RUN: Final[Mapping[str, Outcome]] = {"batch_expired": "expired", "batch_cancelled": "cancelled"}
_MAX_ERRORS: Final = 5


def chat_request(
    model: Model,
    payload: PromptPayload,
    custom_id: str,
    text: str,
    output_limit_field: str = "max_completion_tokens",
) -> dict[str, Any]:
    """Return one line of a request file.

    Args:
        model: The model, with its parameters and its output limit.
        payload: The system prompt and the schema of the answer.
        custom_id: The id of the request.
        text: The user's message.
        output_limit_field: The provider's parameter for the most tokens of an answer.
    """
    body: dict[str, Any] = {
        "model": model.id,
        "messages": [
            {"role": "system", "content": payload.system},
            {"role": "user", "content": text},
        ],
        output_limit_field: model.max_output_tokens,
        **model.parameters,
        "response_format": response_format(model, payload),
    }
    return {"custom_id": custom_id, "method": "POST", "url": COMPLETIONS_PATH, "body": body}


def response_format(model: Model, payload: PromptPayload) -> dict[str, Any]:
    """Return the parameter that makes the model answer in JSON, as strictly as the catalogue says it can."""
    if model.structured_output == "json_object":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": payload.schema_name, "schema": payload.schema}
    if model.structured_output == "json_schema":
        schema["strict"] = True
    return {"type": "json_schema", "json_schema": schema}


def read_batch_state(
    batch: Row,
    ended: Mapping[str, BatchStatus],
    *,
    completed: object,
    failed: object,
    end_times: Iterable[str],
) -> BatchState:
    """Read the state of a batch.

    Args:
        batch: The provider's batch object.
        ended: The statuses of batches that have ended. Any other status counts as submitted, because a status that is
            new to us is no proof of an end.
        completed: The number of requests that succeeded, as the provider sends it.
        failed: The number of requests that failed.
        end_times: The fields that may hold the time of the end, in seconds since 1970.
    """
    provider_status = short_text(batch.get("status"), 40)
    return BatchState(
        status=ended.get(provider_status, "submitted"),
        provider_status=provider_status,
        completed=as_count(completed),
        failed=as_count(failed),
        ended_at=next((time for name in end_times if (time := epoch_time(batch.get(name)))), None),
        error=_batch_errors(batch.get("errors")),
    )


def download_files(
    batch: Row, folder: Path, names: Mapping[str, str], download: Callable[[str, Path], Path]
) -> list[Path]:
    """Download every result file of a batch that exists, whatever the counts of the batch say.

    Args:
        batch: The provider's batch object.
        folder: Where to put the files.
        names: The name to give a file, by the field of the batch that holds the file's id.
        download: Downloads the file of an id to a path; repeated when its outcome is uncertain.
    """
    paths: list[Path] = []
    for field, name in names.items():
        file_id = batch.get(field)
        # Groq may send `{}` for a file that does not exist.
        if isinstance(file_id, str) and file_id:
            paths.append(retry(lambda file_id=file_id, name=name: download(file_id, folder / name)))
    return paths


def find_submission(
    lookup: LookupRequest,
    batches: Iterable[Row],
    files_named: Callable[[str], Iterable[str]],
    input_files: Callable[[Row], Iterable[object]] = lambda batch: (batch.get("input_file_id"),),
) -> LookupResult:
    """Find the batch of a submission by its metadata, or else by the name of its request file.

    Args:
        lookup: The submission to look for.
        batches: All batches since the given time.
        files_named: Returns the ids of the uploaded files that have a name.
        input_files: Returns the ids of a batch's request files.
    """
    batch_of_file: dict[str, str] = {}
    seen = 0
    for batch in batches:
        batch_id = text_field(batch, "id")
        if as_mapping(batch.get("metadata")).get("submission") == lookup.submission:
            return LookupResult(batch_id, "its metadata carries the submission", thorough=True)
        batch_of_file.update((str(file_id), batch_id) for file_id in input_files(batch))
        seen += 1
    for file_id in files_named(_file_name(lookup.submission)):
        if file_id in batch_of_file:
            return LookupResult(batch_of_file[file_id], "its input file carries the submission", thorough=True)
    return LookupResult(None, f"{seen} batches since {lookup.since:%Y-%m-%d %H:%M}, none of them ours", thorough=True)


def read_chat_row(row: Row) -> ResultRow:
    """Read one result: a completion, an HTTP error, or a request that was never run."""
    custom_id = text_field(row, "custom_id")
    response = as_mapping(row.get("response"))
    if not response:
        code = as_mapping(row.get("error")).get("code")
        outcome: Outcome = _NOT_RUN.get(str(code), "errored")
        return ResultRow(custom_id, outcome, error=error_text(row.get("error"), "no response"))
    body = as_mapping(response.get("body"))
    usage = as_mapping(body.get("usage"))
    tokens = as_count(usage.get("prompt_tokens")), as_count(usage.get("completion_tokens"))
    if response.get("status_code") != 200:
        status = response.get("status_code")
        error = error_text(body.get("error"), f"HTTP status {short_text(status, 20)}")
        return ResultRow(custom_id, "errored", None, None, error, *tokens)
    choice = as_mapping(body["choices"][0])
    message = as_mapping(choice.get("message"))
    refusal = as_text(message.get("refusal"))
    if refusal:
        return ResultRow(custom_id, "succeeded", None, "refusal", short_text(refusal), *tokens)
    text, reason = as_text(message.get("content")), as_text(choice.get("finish_reason"))
    return ResultRow(custom_id, "succeeded", text, reason, None, *tokens)


class ChatCompletionBatches(RunsRemotely, ABC):
    """What OpenAI and Groq share: SDKs with the same methods, but without a common type."""

    key: ClassVar[str]
    framing: ClassVar[Framing] = Framing()
    request: ClassVar = staticmethod(chat_request)
    # Where the SDK sends an ordinary call.
    ask_path: ClassVar[str]

    def __init__(self, client: Any, secret: str, base_url: str) -> None:
        self._client = client
        self._secret = secret
        self.endpoint = urlsplit(base_url).netloc

    @abstractmethod
    def _batches_since(self, since: dt.datetime) -> Iterator[Row]:
        """Yield every batch that was created since then, as plain objects."""

    @abstractmethod
    def _files_named(self, name: str) -> Iterator[str]:
        """Yield the ids of the uploaded files that have this name."""

    def check(self) -> None:
        with self._translate_errors("asking for the list of batches"):
            next(self._batches_since(dt.datetime.now(dt.UTC)), None)

    def submit(self, submission: Submission) -> str:
        file_id = upload_with_retry(lambda: self._upload(submission))
        submission.before_creation()
        with self._translate_errors("creating the batch"):
            batch = self._client.with_options(max_retries=0, timeout=CREATE_TIMEOUT_SECONDS).batches.create(
                input_file_id=file_id,
                endpoint=COMPLETIONS_PATH,
                completion_window=_COMPLETION_WINDOW,
                metadata={"submission": submission.submission},
            )
            return text_field(plain_object(batch), "id")

    def _upload(self, submission: Submission) -> str:
        name = _file_name(submission.submission)
        client = self._client.with_options(max_retries=0, timeout=TRANSFER_TIMEOUT_SECONDS)
        with self._translate_errors("uploading the requests"), submission.file.open("rb") as file:
            uploaded = client.files.create(file=(name, file, "application/jsonl"), purpose="batch")
            return text_field(plain_object(uploaded), "id")

    def poll(self, batch_id: str) -> BatchState:
        batch = self._retrieve(batch_id)
        counts = as_mapping(batch.get("request_counts"))
        return read_batch_state(
            batch, _ENDED, completed=counts.get("completed"), failed=counts.get("failed"), end_times=_END_TIMES
        )

    def download(self, batch_id: str, folder: Path) -> list[Path]:
        return download_files(self._retrieve(batch_id), folder, _RESULT_FILES, self._download)

    def _download(self, file_id: str, path: Path) -> Path:
        client = self._client.with_options(timeout=TRANSFER_TIMEOUT_SECONDS)
        streamed: AbstractContextManager[Any] = client.files.with_streaming_response.content(file_id)
        with self._translate_errors("downloading the results"), streamed as response:
            return write_chunks(path, response.iter_bytes())

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        return read_line(line, read_chat_row)

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        client = self._client.with_options(max_retries=0, timeout=ASK_TIMEOUT_SECONDS)
        headers = {CUSTOM_ID_HEADER: request["custom_id"]}
        with translate_errors(self.key, f"asking {model}", self._secret, OVERLOADED):
            body = client.post(self.ask_path, cast_to=object, body=request["body"], options={"headers": headers})
        return {"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}}

    def cancel(self, batch_id: str) -> None:
        with self._translate_errors("cancelling the batch"):
            self._client.batches.cancel(batch_id)

    def find(self, lookup: LookupRequest) -> LookupResult:
        with self._translate_errors("looking for the batch"):
            return find_submission(lookup, self._batches_since(lookup.since), self._files_named)

    def _retrieve(self, batch_id: str) -> Row:
        with self._translate_errors(f"asking for the batch {batch_id}"):
            return plain_object(self._client.batches.retrieve(batch_id))

    def _translate_errors(self, action: str) -> AbstractContextManager[None]:
        return translate_errors(self.key, action, self._secret)


def _file_name(submission: str) -> str:
    """The name under which the request file of a submission is uploaded."""
    return f"{submission}.jsonl"


def _batch_errors(errors: object) -> str | None:
    """Return why a batch failed, from an object with `data` (OpenAI) or a bare list (Groq)."""
    listed = as_list(as_mapping(errors).get("data")) or as_list(errors)
    texts = [error_text(item, "unknown error") for item in listed[:_MAX_ERRORS]]
    return "; ".join(texts) or None
