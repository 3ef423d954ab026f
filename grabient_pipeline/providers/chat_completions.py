"""Batches of chat completions in the format that OpenAI introduced: requests and results are files of JSON lines.

Functions for every provider whose API resembles OpenAI's, and a base class for the two whose SDKs have the same
methods, OpenAI and Groq. A provider that differs in more than its client uses the functions and inherits nothing.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Final

from grabient_pipeline.errors import ProviderError, ProviderRefused, TierUnavailable
from grabient_pipeline.providers.base import (
    ASK_TIMEOUT_SECONDS,
    CREATE_TIMEOUT_SECONDS,
    CUSTOM_ID_HEADER,
    FLEX_TIMEOUT_SECONDS,
    LISTING_MODELS,
    TRANSFER_TIMEOUT_SECONDS,
    BatchIdentity,
    BatchState,
    BatchStatus,
    Delivery,
    Framing,
    ListedBatch,
    LookupRequest,
    LookupResult,
    OfferedModel,
    Outcome,
    PromptPayload,
    ResultRow,
    RunsRemotely,
    ServiceTier,
    Submission,
    UnreadableRow,
    read_window,
    window_text,
)
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.clock import ProviderClock
from grabient_pipeline.providers.transport.connection import SAME_PROJECT, Connection
from grabient_pipeline.providers.transport.errors import OVERLOADED, error_body, short_text, status_code
from grabient_pipeline.providers.transport.rows import (
    Row,
    as_count,
    as_list,
    as_mapping,
    as_text,
    as_tier,
    billed_tokens,
    epoch_time,
    error_text,
    find_entries,
    plain_object,
    read_batch,
    read_line,
    text_field,
)
from grabient_pipeline.providers.transport.transfer import retry, upload_with_retry, write_response

COMPLETIONS_PATH: Final = "/v1/chat/completions"

_USUAL_WINDOW_HOURS: Final = 24
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
# Groq's error for an answer that its own check of the JSON rejects; the answer comes with it.
_REJECTED_ANSWER: Final = "json_validate_failed"
_BAD_REQUEST: Final = 400
_TIER_WORDS: Final = ("service_tier", "service tier", "flex")


def chat_request(
    model: Model,
    payload: PromptPayload,
    custom_id: str,
    text: str,
    picture: str | None = None,
    *,
    output_limit_field: str = "max_completion_tokens",
) -> dict[str, Any]:
    """Return one line of a request file.

    Args:
        model: The model, with its parameters and its output limit.
        payload: The system prompt and the schema of the answer.
        custom_id: The id of the request.
        text: The user's message.
        picture: What precedes the text, in base64, if anything does.
        output_limit_field: The provider's parameter for the most tokens of an answer.
    """
    content: str | list[dict[str, Any]] = text
    if picture is not None:
        image = {"url": f"data:{payload.picture_type};base64,{picture}", **model.image_parameters}
        content = [{"type": "image_url", "image_url": image}, {"type": "text", "text": text}]
    body: dict[str, Any] = {
        "model": model.id,
        "messages": [
            {"role": "system", "content": payload.system},
            {"role": "user", "content": content},
        ],
        output_limit_field: model.max_output_tokens,
        **model.parameters,
        "response_format": response_format(model, payload),
    }
    return {"custom_id": custom_id, "method": "POST", "url": COMPLETIONS_PATH, "body": body}


def chat_at_tier(request: Mapping[str, Any], tier: ServiceTier) -> dict[str, Any]:
    """Return a line of a request file that asks for a service tier."""
    return {**request, "body": {**request["body"], "service_tier": tier}}


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
        batches: All batches since the given time, or ever.
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
    return LookupResult(None, f"{seen} batches {lookup.period}, none of them ours", thorough=True)


def list_identities(batches: Iterable[Row], known: frozenset[str]) -> Iterator[ListedBatch]:
    """Yield batches with what their metadata says, except those with a known id."""
    for batch in batches:
        batch_id = text_field(batch, "id")
        if batch_id not in known:
            yield ListedBatch(
                batch_id,
                epoch_time(batch.get("created_at")),
                BatchIdentity.from_metadata(as_mapping(batch.get("metadata"))),
                request_count=as_count(as_mapping(batch.get("request_counts")).get("total")),
                window_hours=read_window(batch.get("completion_window")),
            )


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
    details = as_mapping(usage.get("prompt_tokens_details"))
    tokens = billed_tokens(
        as_count(usage.get("prompt_tokens")),
        as_count(usage.get("completion_tokens")),
        cached=as_count(details.get("cached_tokens")),
        written=as_count(details.get("cache_write_tokens")),
        reasoning=as_count(as_mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )
    tier = as_tier(body.get("service_tier"))
    if response.get("status_code") != 200:
        status = response.get("status_code")
        error = error_text(body.get("error"), f"HTTP status {short_text(status, 20)}")
        answer = rejected_answer(body)
        if answer:
            return ResultRow(custom_id, "succeeded", answer, _REJECTED_ANSWER, error, *tokens, tier)
        return ResultRow(custom_id, "errored", None, None, error, *tokens, tier)
    choice = as_mapping(body["choices"][0])
    message = as_mapping(choice.get("message"))
    text, reason = as_text(message.get("content")), as_text(choice.get("finish_reason"))
    refusal = as_text(message.get("refusal"))
    if refusal:
        return ResultRow(custom_id, "succeeded", text, "refusal", short_text(refusal), *tokens, tier)
    return ResultRow(custom_id, "succeeded", text, reason, None, *tokens, tier)


def refuses_tier(status: int, body: Row) -> bool:
    """Whether an error response is about the service tier, and not about the rest of the request."""
    if status != _BAD_REQUEST:
        return False
    error = as_mapping(body.get("error")) or body
    message = (as_text(error.get("message")) or "").casefold()
    return error.get("param") == "service_tier" or any(word in message for word in _TIER_WORDS)


def rejected_answer(body: Row) -> str | None:
    """Return the answer in an error response of Groq; None if there is none.

    Groq checks the JSON of an answer. What its check rejects, such as JSON in a code fence, our parser may read.
    """
    error = as_mapping(body.get("error"))
    answer = as_text(error.get("failed_generation")) if error.get("code") == _REJECTED_ANSWER else None
    return answer if answer and answer.strip() else None


class ChatCompletionBatches(RunsRemotely, ABC):
    """What OpenAI and Groq share: SDKs with the same methods, but without a common type."""

    key: ClassVar[str]
    framing: ClassVar[Framing] = Framing()
    request: ClassVar = staticmethod(chat_request)
    # Where the SDK sends an ordinary call.
    ask_path: ClassVar[str]

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.endpoint = connection.endpoint
        self._clock = ProviderClock()
        self._client = self._open_client()

    @abstractmethod
    def _open_client(self) -> Any:
        """Return a client of the SDK, which is imported here: rendering requests needs none."""

    @abstractmethod
    def _batches_since(self, earliest: dt.datetime | None) -> Iterator[Row]:
        """Yield every batch that was created since then, or ever, as plain objects."""

    @abstractmethod
    def _files_named(self, name: str) -> Iterator[str]:
        """Yield the ids of the uploaded files that have this name."""

    def check(self) -> None:
        with self._connection.translate_errors("asking for the list of batches"):
            next(self._batches_since(None), None)

    def submit(self, submission: Submission) -> str:
        file_id = upload_with_retry(lambda: self._upload(submission))
        submission.before_creation()
        with self._deleting_if_refused(file_id), self._connection.translate_errors("creating the batch"):
            batch = self._client.with_options(max_retries=0, timeout=CREATE_TIMEOUT_SECONDS).batches.create(
                input_file_id=file_id,
                endpoint=COMPLETIONS_PATH,
                completion_window=window_text(submission.window_hours or _USUAL_WINDOW_HOURS),
                metadata=submission.identity.metadata,
            )
            return text_field(plain_object(batch), "id")

    def _upload(self, submission: Submission) -> str:
        name = _file_name(submission.submission)
        client = self._client.with_options(max_retries=0, timeout=TRANSFER_TIMEOUT_SECONDS)
        with self._connection.translate_errors("uploading the requests"), submission.file.open("rb") as file:
            uploaded = client.files.create(file=(name, file, "application/jsonl"), purpose="batch")
            return text_field(plain_object(uploaded), "id")

    @contextmanager
    def _deleting_if_refused(self, file_id: str) -> Generator[None]:
        """Delete the uploaded file if the body is refused a batch. After any other failure, a batch may use it."""
        try:
            yield
        except ProviderRefused:
            self._delete_request_files(lambda: [file_id])
            raise

    def poll(self, batch_id: str) -> BatchState:
        return _read_state(self._retrieve(batch_id))

    def list_states(self, batch_ids: Collection[str]) -> Iterator[tuple[str, BatchState]]:
        with self._connection.translate_errors("asking for the list of batches"):
            for batch_id, batch in find_entries(self._newest_batches(), "id", batch_ids):
                yield batch_id, _read_state(batch)

    def _newest_batches(self) -> Iterator[Row]:
        """Yield every batch as a plain object, in pages that are as long as possible."""
        return self._batches_since(None)

    def download(self, batch_id: str, folder: Path) -> Delivery:
        batch = self._retrieve(batch_id)
        return Delivery(_read_state(batch), download_files(batch, folder, _RESULT_FILES, self._download))

    def _download(self, file_id: str, path: Path) -> Path:
        client = self._client.with_options(timeout=TRANSFER_TIMEOUT_SECONDS)
        streamed: AbstractContextManager[Any] = client.files.with_streaming_response.content(file_id)
        with self._connection.translate_errors("downloading the results", not_found=""), streamed as response:
            return write_response(self.key, path, response)

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        return read_line(line, read_chat_row)

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        tier = request["body"].get("service_tier")
        timeout = FLEX_TIMEOUT_SECONDS if tier == "flex" else ASK_TIMEOUT_SECONDS
        client = self._client.with_options(max_retries=0, timeout=timeout)
        headers = {CUSTOM_ID_HEADER: request["custom_id"]}
        status = 200
        with self._connection.translate_errors(f"asking {model}", busy_statuses=OVERLOADED):
            try:
                body = client.post(self.ask_path, cast_to=object, body=request["body"], options={"headers": headers})
            except Exception as error:
                body = as_mapping(getattr(error, "body", None))
                status = status_code(error)
                if tier is not None and status is not None and refuses_tier(status, body):
                    reason = self._connection.refusal_reason(
                        status, error_body(error, status).message, is_provider=True
                    )
                    raise TierUnavailable(
                        self.key, f"the service tier {tier} is refused for {model}: {reason}", status
                    ) from None
                if rejected_answer(body) is None:
                    raise
        answer = self._connection.require_object(body, f"asking {model}")
        return {"custom_id": request["custom_id"], "response": {"status_code": status, "body": answer}}

    def list_models(self) -> Iterator[OfferedModel]:
        with self._connection.translate_errors(LISTING_MODELS):
            yield from map(self._read_model, self._models())

    @abstractmethod
    def _models(self) -> Iterator[Row]:
        """Yield every model in the provider's list, as plain objects."""

    @staticmethod
    @abstractmethod
    def _read_model(model: Row) -> OfferedModel:
        """Read a model in the provider's list."""

    def cancel(self, batch_id: str) -> None:
        with self._connection.translate_errors("cancelling the batch", not_found=SAME_PROJECT):
            read_batch(self._client.batches.cancel(batch_id))

    def find(self, lookup: LookupRequest) -> LookupResult:
        with self._connection.translate_errors("looking for the batch"):
            return find_submission(lookup, self._batches_since(lookup.earliest), self._files_named)

    def list_batches(self, since: dt.datetime | None, known: frozenset[str]) -> Iterator[ListedBatch]:
        with self._connection.translate_errors("listing the batches"):
            yield from list_identities(self._batches_since(since), known)

    def forget(self, batch_id: str) -> None:
        self._delete_request_files(lambda: self._request_file(batch_id))

    def discard(self, submission: str) -> None:
        self._delete_request_files(lambda: self._files_named(_file_name(submission)))

    def _delete_request_files(self, find_files: Callable[[], Iterable[str]]) -> None:
        """Delete uploaded files, unless they are to be kept. What cannot be deleted stays: nothing depends on it."""
        if self._connection.keep_request_files:
            return
        with suppress(ProviderError), self._connection.translate_errors("deleting the uploaded requests"):
            client = self._client.with_options(max_retries=0)
            # All ids first, because deleting moves the entries of later pages.
            for file_id in list(find_files()):
                client.files.delete(file_id)

    def _request_file(self, batch_id: str) -> Iterator[str]:
        batch = read_batch(self._client.with_options(max_retries=0).batches.retrieve(batch_id))
        file_id = batch.get("input_file_id")
        # The ledger may have adopted batches of other programs, whose files are not ours to delete.
        is_ours = bool(as_mapping(batch.get("metadata")).get("submission"))
        if is_ours and isinstance(file_id, str) and file_id:
            yield file_id

    def _retrieve(self, batch_id: str) -> Row:
        with self._connection.translate_errors(f"asking for the batch {batch_id}", not_found=SAME_PROJECT):
            return read_batch(self._client.batches.retrieve(batch_id))


def _read_state(batch: Row) -> BatchState:
    counts = as_mapping(batch.get("request_counts"))
    return read_batch_state(
        batch, _ENDED, completed=counts.get("completed"), failed=counts.get("failed"), end_times=_END_TIMES
    )


def _file_name(submission: str) -> str:
    """The name under which the request file of a submission is uploaded."""
    return f"{submission}.jsonl"


def _batch_errors(errors: object) -> str | None:
    """Return why a batch failed, from an object with `data` (OpenAI) or a bare list (Groq)."""
    listed = as_list(as_mapping(errors).get("data")) or as_list(errors)
    texts = [error_text(item, "unknown error") for item in listed[:_MAX_ERRORS]]
    return "; ".join(texts) or None
