"""The batch API that OpenAI made and Groq speaks: a file of chat completions goes up, one or two files come down.

What differs between the two is in `openai.py` and `groq.py`: the client, the listing, the names of some parameters.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from grabient_pipeline.providers.base import (
    ASK_TIMEOUT_SECONDS,
    CREATE_TIMEOUT_SECONDS,
    CUSTOM_ID_HEADER,
    TRANSFER_TIMEOUT_SECONDS,
    AccessMode,
    BatchState,
    BatchStatus,
    Framing,
    LookupRequest,
    LookupResult,
    Outcome,
    PromptPayload,
    ResultRow,
    Submission,
    UnreadableRow,
)
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.errors import OVERLOADED, short_text, translate_errors
from grabient_pipeline.providers.transport.rows import (
    Row,
    count,
    epoch_time,
    error_text,
    items,
    mapping,
    optional_text,
    plain_object,
    read_line,
    text_field,
)
from grabient_pipeline.providers.transport.transfer import retry, upload_with_retry, write_chunks

PATH: Final = "/v1/chat/completions"
WINDOW: Final = "24h"

# A clock here that is ahead of the provider's must not hide a batch.
CLOCK_MARGIN: Final = dt.timedelta(hours=1)

_ENDED: Final[Mapping[str, BatchStatus]] = {
    "completed": "completed",
    "expired": "expired",
    "cancelled": "cancelled",
    "failed": "failed",
}
_END_TIMES: Final = ("completed_at", "expired_at", "cancelled_at", "failed_at")
_NEVER_RUN: Final[Mapping[str, Outcome]] = {"batch_expired": "expired", "batch_cancelled": "cancelled"}


class ChatCompletionBatches(ABC):
    """What OpenAI's and Groq's batch APIs have in common."""

    key: str
    access: AccessMode = "batch"
    framing = Framing()
    # Where the SDK sends an ordinary call.
    ask_path: str

    def __init__(self, client: Any, secret: str, base_url: str) -> None:
        # The two SDKs have the same methods and no type in common.
        self._client = client
        self._secret = secret
        self.endpoint = urlsplit(base_url).netloc

    @abstractmethod
    def _batches_since(self, since: dt.datetime) -> Iterator[Row]:
        """Every batch since then, newest first, as plain objects."""

    @abstractmethod
    def _files_named(self, name: str) -> Iterator[str]:
        """The ids of the uploaded files of this name."""

    def request(self, model: Model, question: PromptPayload, custom_id: str, text: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": model.id,
            "messages": [
                {"role": "system", "content": question.system},
                {"role": "user", "content": text},
            ],
            "max_completion_tokens": model.max_output_tokens,
            **model.parameters,
            "response_format": _response_format(model, question),
        }
        return {"custom_id": custom_id, "method": "POST", "url": PATH, "body": body}

    def check(self) -> None:
        with self._translate_errors("asking for the list of batches"):
            next(self._batches_since(dt.datetime.now(dt.UTC)), None)

    def submit(self, submission: Submission) -> str:
        file_id = upload_with_retry(lambda: self._upload(submission))
        submission.before_creation()
        with self._translate_errors("creating the batch"):
            batch = self._client.with_options(max_retries=0, timeout=CREATE_TIMEOUT_SECONDS).batches.create(
                input_file_id=file_id,
                endpoint=PATH,
                completion_window=WINDOW,
                metadata={"submission": submission.token},
            )
            return text_field(plain_object(batch), "id")

    def _upload(self, submission: Submission) -> str:
        name = f"{submission.token}.jsonl"
        client = self._client.with_options(max_retries=0, timeout=TRANSFER_TIMEOUT_SECONDS)
        with self._translate_errors("uploading the requests"), submission.file.open("rb") as file:
            uploaded = client.files.create(file=(name, file, "application/jsonl"), purpose="batch")
            return text_field(plain_object(uploaded), "id")

    def poll(self, batch_id: str) -> BatchState:
        batch = self._retrieve(batch_id)
        provider_status = short_text(batch.get("status"), 40)
        counts = mapping(batch.get("request_counts"))
        return BatchState(
            status=_ENDED.get(provider_status, "submitted"),
            provider_status=provider_status,
            completed=count(counts.get("completed")),
            failed=count(counts.get("failed")),
            ended_at=next((time for name in _END_TIMES if (time := epoch_time(batch.get(name)))), None),
            error=_batch_errors(batch.get("errors")),
        )

    def download(self, batch_id: str, folder: Path) -> list[Path]:
        batch = self._retrieve(batch_id)
        paths: list[Path] = []
        # Both, whenever they exist: the counts of a batch do not tell. Groq may send `{}` for none.
        for name in ("output_file_id", "error_file_id"):
            file_id = batch.get(name)
            if isinstance(file_id, str) and file_id:
                path = folder / f"{name.removesuffix('_file_id')}.jsonl"
                paths.append(retry(lambda file_id=file_id, path=path: self._download(file_id, path)))
        return paths

    def _download(self, file_id: str, path: Path) -> Path:
        client = self._client.with_options(timeout=TRANSFER_TIMEOUT_SECONDS)
        streamed: AbstractContextManager[Any] = client.files.with_streaming_response.content(file_id)
        with self._translate_errors("downloading the results"), streamed as response:
            return write_chunks(path, response.iter_bytes())

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        return read_line(line, _read_row)

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        client = self._client.with_options(max_retries=0, timeout=ASK_TIMEOUT_SECONDS)
        headers = {CUSTOM_ID_HEADER: request["custom_id"]}
        with translate_errors(self.key, f"asking {model}", self._secret, OVERLOADED):
            body = client.post(self.ask_path, cast_to=object, body=request["body"], options={"headers": headers})
        return {"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}}

    def cancel(self, batch_id: str) -> None:
        with self._translate_errors("cancelling the batch"):
            self._client.batches.cancel(batch_id)

    def find(self, sought: LookupRequest) -> LookupResult:
        with self._translate_errors("looking for the batch"):
            by_input: dict[str, str] = {}
            for batch in self._batches_since(sought.since):
                batch_id = text_field(batch, "id")
                if mapping(batch.get("metadata")).get("submission") == sought.token:
                    return LookupResult(batch_id, "its metadata carries the submission", thorough=True)
                by_input[str(batch.get("input_file_id"))] = batch_id
            for file_id in self._files_named(f"{sought.token}.jsonl"):
                if file_id in by_input:
                    return LookupResult(by_input[file_id], "its input file carries the submission", thorough=True)
        return LookupResult(
            None, f"{len(by_input)} batches since {sought.since:%Y-%m-%d %H:%M}, none of them ours", thorough=True
        )

    def _retrieve(self, batch_id: str) -> Row:
        with self._translate_errors(f"asking for the batch {batch_id}"):
            return plain_object(self._client.batches.retrieve(batch_id))

    def _translate_errors(self, doing: str) -> AbstractContextManager[None]:
        return translate_errors(self.key, doing, self._secret)


def _response_format(model: Model, question: PromptPayload) -> dict[str, Any]:
    if model.structured_output == "json_object":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": question.schema_name, "schema": question.schema}
    if model.structured_output == "json_schema":
        schema["strict"] = True
    return {"type": "json_schema", "json_schema": schema}


def _batch_errors(errors: object) -> str | None:
    """The reasons why a batch failed: an object with `data`, or (Groq) a bare list."""
    listed = items(mapping(errors).get("data")) or items(errors)
    texts = [error_text(item, "unknown error") for item in listed[:5]]
    return "; ".join(texts) or None


def _read_row(row: Row) -> ResultRow:
    custom_id = text_field(row, "custom_id")
    response = mapping(row.get("response"))
    if not response:
        code = mapping(row.get("error")).get("code")
        outcome: Outcome = _NEVER_RUN.get(str(code), "errored")
        return ResultRow(custom_id, outcome, error=error_text(row.get("error"), "no response"))
    body = mapping(response.get("body"))
    usage = mapping(body.get("usage"))
    tokens = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    if response.get("status_code") != 200:
        status = response.get("status_code")
        error = error_text(body.get("error"), f"HTTP status {short_text(status, 20)}")
        return ResultRow(custom_id, "errored", None, None, error, *tokens)
    choice = mapping(body["choices"][0])
    message = mapping(choice.get("message"))
    refusal = optional_text(message.get("refusal"))
    if refusal:
        return ResultRow(custom_id, "succeeded", None, "refusal", short_text(refusal), *tokens)
    text, reason = optional_text(message.get("content")), optional_text(choice.get("finish_reason"))
    return ResultRow(custom_id, "succeeded", text, reason, None, *tokens)
