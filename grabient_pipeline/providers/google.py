"""Google's Gemini batch API in file mode: rows are matched by key and never pass through the SDK's own parser."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, cast

import httpx2

from grabient_pipeline.http_environment import tls_context
from grabient_pipeline.providers.base import (
    ASK_TIMEOUT_SECONDS,
    CALL_TIMEOUT_SECONDS,
    CREATE_TIMEOUT_SECONDS,
    CUSTOM_ID_HEADER,
    LISTING_MODELS,
    OWED,
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
    Owed,
    PromptPayload,
    ResultRow,
    RunsRemotely,
    Submission,
    UnreadableRow,
)
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.clock import ProviderClock
from grabient_pipeline.providers.transport.connection import SAME_PROJECT, Connection
from grabient_pipeline.providers.transport.errors import OVERLOADED, short_text
from grabient_pipeline.providers.transport.rows import (
    Row,
    as_count,
    as_list,
    as_mapping,
    as_text,
    billed_tokens,
    error_text,
    find_entries,
    iterate_pages,
    read_line,
    text_field,
)
from grabient_pipeline.providers.transport.transfer import retry, upload_with_retry, write_results

if TYPE_CHECKING:
    from google import genai
    from google.genai import types

# The SDK defaults to v1; batches are documented for v1beta.
API_VERSION: Final = "v1beta"

# Gemini compiles enums into a grammar and rejects the whole batch with a bare 400 when that becomes too large.
# Longer lists are left to the prompt.
LONGEST_ENUM: Final = 16

_ENDED: Final[Mapping[str, BatchStatus]] = {
    "SUCCEEDED": "completed",
    # Not in the SDK's list of final states, but it is one.
    "PARTIALLY_SUCCEEDED": "completed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}


class GoogleBatches(RunsRemotely):
    """Google, through google-genai, with an API key."""

    key: ClassVar[str] = "google"
    # A batch that expired or was cancelled gives no results at all.
    owed: ClassVar[Mapping[BatchStatus, Owed]] = {**OWED, "expired": "no row", "cancelled": "no row"}
    framing: ClassVar[Framing] = Framing()

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.endpoint = connection.endpoint
        self._clock = ProviderClock()
        self._client = self._open_client(CALL_TIMEOUT_SECONDS, attempts=3)
        self._transfer_client = self._open_client(TRANSFER_TIMEOUT_SECONDS)
        self._creation_client = self._open_client(CREATE_TIMEOUT_SECONDS)

    def _open_client(self, timeout_seconds: float, attempts: int | None = None) -> genai.Client:
        # Not at the top: rendering requests needs no SDK, and importing it takes seconds.
        from google import genai
        from google.genai import types

        options = types.HttpOptions(
            base_url=self._connection.base_url,
            api_version=API_VERSION,
            # In milliseconds; without it, calls never time out.
            timeout=int(timeout_seconds * 1000),
            client_args={"verify": tls_context(), "event_hooks": {"response": self._clock.response_hooks}},
            # The client also opens an asynchronous one, which is never used.
            async_client_args={"ssl": tls_context()},
            # Unset means no retries, which is what creating a batch needs.
            retry_options=types.HttpRetryOptions(attempts=attempts, max_delay=4.0) if attempts else None,
        )
        return genai.Client(vertexai=False, api_key=self._connection.secret, http_options=options)

    @staticmethod
    def request(
        model: Model, payload: PromptPayload, custom_id: str, text: str, picture: str | None = None
    ) -> dict[str, Any]:
        generation: dict[str, Any] = {
            "maxOutputTokens": model.max_output_tokens,
            **model.parameters,
            "responseMimeType": "application/json",
        }
        if model.structured_output == "json_schema":
            generation["responseJsonSchema"] = gemini_schema(payload.schema)
        parts: list[dict[str, Any]] = [{"text": text}]
        if picture is not None:
            parts.insert(0, {"inlineData": {"mimeType": payload.picture_type, "data": picture}})
            generation |= model.image_parameters
        body = {
            "systemInstruction": {"parts": [{"text": payload.system}]},
            "contents": [{"role": "user", "parts": parts}],
            "generationConfig": generation,
        }
        return {"key": custom_id, "request": body}

    def check(self) -> None:
        with self._connection.translate_errors("asking for the list of files"):
            self._client.files.list(config={"page_size": 1})

    def submit(self, submission: Submission) -> str:
        name = upload_with_retry(lambda: self._upload(submission))
        submission.before_creation()
        with self._connection.translate_errors("creating the batch"):
            job = self._creation_client.batches.create(
                model=submission.model, src=name, config={"display_name": submission.identity.title}
            )
            return text_field({"name": job.name}, "name")

    def _upload(self, submission: Submission) -> str:
        from google.genai import errors

        name = f"files/{submission.submission}"
        with self._connection.translate_errors("uploading the requests"):
            try:
                self._transfer_client.files.upload(
                    file=submission.file,
                    config={"name": name, "display_name": submission.submission, "mime_type": "application/jsonl"},
                )
            except errors.ClientError as error:
                # The name is unique to the submission: an earlier attempt has succeeded.
                if error.code != 409:
                    raise
        return name

    def poll(self, batch_id: str) -> BatchState:
        return self._read_state(self._get_job(batch_id), batch_id)

    def _read_state(self, job: types.BatchJob, batch_id: str) -> BatchState:
        provider_status = _state_name(job)
        status = _ENDED.get(provider_status, "submitted")
        # The SDK drops the reason for a failure and the counts, which are in the response.
        raw: Row = self._get_operation(batch_id) if status != "submitted" else {}
        stats = as_mapping(as_mapping(raw.get("metadata")).get("batchStats"))
        error = error_text(raw["error"], "failed") if raw.get("error") else None
        return BatchState(
            status=status,
            provider_status=provider_status,
            # The API leaves out what is 0.
            completed=as_count(stats.get("successfulRequestCount", 0 if stats else None)),
            failed=as_count(stats.get("failedRequestCount", 0 if stats else None)),
            ended_at=job.end_time,
            error=error,
        )

    def list_states(self, batch_ids: Collection[str]) -> Iterator[tuple[str, BatchState]]:
        with self._connection.translate_errors("asking for the list of batches"):
            for batch_id, operation in find_entries(self._list_operations(), "name", batch_ids):
                provider_status = _state_word(as_mapping(operation.get("metadata")).get("state"))
                # How it ended, `poll` finds out: lists may leave out the results and what belongs to them.
                if provider_status and provider_status not in _ENDED:
                    yield batch_id, BatchState("submitted", provider_status)

    def download(self, batch_id: str, folder: Path) -> Delivery:
        job = self._get_job(batch_id)
        state = self._read_state(job, batch_id)
        name = job.dest.file_name if job.dest else None
        if not name:
            return Delivery(state, [])
        path = folder / "output.jsonl"

        def fetch() -> Path:
            with self._connection.translate_errors("downloading the results", not_found=""):
                # The SDK shows no headers of a download.
                return write_results(
                    self.key, path, lambda part: self._transfer_client.files.download(file=name, destination=part)
                )

        return Delivery(state, [retry(fetch)])

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        return read_line(line, _read_result)

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        # Requests are in the JSON of the API, as batches take them; the SDK's call takes another form.
        action = f"asking {model}"
        with self._connection.translate_errors(action, busy_statuses=OVERLOADED):
            response = self._call(
                "POST",
                f"models/{model}:generateContent",
                json=request["request"],
                headers={CUSTOM_ID_HEADER: str(request["key"])},
                timeout_seconds=ASK_TIMEOUT_SECONDS,
            )
        return {"key": request["key"], "response": self._connection.require_object(response, action)}

    def list_models(self) -> Iterator[OfferedModel]:
        with self._connection.translate_errors(LISTING_MODELS):
            yield from map(_read_model, self._list_entries("models", "models", 1000, LISTING_MODELS))

    def cancel(self, batch_id: str) -> None:
        action = "cancelling the batch"

        def send() -> None:
            with self._connection.translate_errors(action, not_found=SAME_PROJECT):
                # The SDK takes any answer for a success.
                self._connection.require_object(self._call("POST", f"{batch_id}:cancel"), action)

        retry(send)

    def find(self, lookup: LookupRequest) -> LookupResult:
        seen = 0
        with self._connection.translate_errors("looking for the batch"):
            for listed in map(_read_listed, self._list_operations()):
                # The title of a batch, which in older batches is the submission alone.
                if listed.title.partition(" ")[0] == lookup.submission:
                    return LookupResult(listed.name, "its display name begins with the submission", thorough=True)
                seen += listed.created is None or lookup.earliest is None or listed.created >= lookup.earliest
        return LookupResult(None, f"{seen} batches {lookup.period}, none of them ours", thorough=True)

    def list_batches(self, since: dt.datetime | None, known: frozenset[str]) -> Iterator[ListedBatch]:
        with self._connection.translate_errors("listing the batches"):
            for listed in map(_read_listed, self._list_operations()):
                is_old = since is not None and listed.created is not None and listed.created < since
                if listed.name not in known and not is_old:
                    yield listed.as_batch()

    def _list_operations(self) -> Iterator[Row]:
        """Yield every batch."""
        return self._list_entries("batches", "operations", 100, "listing the batches")

    def _list_entries(self, path: str, field: str, page_size: int, action: str) -> Iterator[Row]:
        """Yield the entries of every page of a list.

        Not through the SDK: it refuses a list in which one job has inline errors, fails at an empty page, and takes an
        empty response for a list without entries.
        """

        def list_page(page_token: str | None) -> Row:
            query = {"pageSize": str(page_size), **({"pageToken": page_token} if page_token else {})}
            return self._connection.require_object(self._call("GET", path, params=query), action)

        def next_cursor(page: Row, _: str | None) -> str | None:
            return as_text(page.get("nextPageToken")) or None

        for page in iterate_pages(list_page, next_cursor):
            yield from map(as_mapping, as_list(page.get(field)))

    def _get_job(self, batch_id: str) -> types.BatchJob:
        with self._connection.translate_errors(f"asking for the batch {batch_id}", not_found=SAME_PROJECT):
            job = self._client.batches.get(name=batch_id)
            text_field({"name": job.name}, "name")
            return job

    def _get_operation(self, batch_id: str) -> Row:
        action = f"asking for the batch {batch_id}"
        with self._connection.translate_errors(action, not_found=SAME_PROJECT):
            return self._connection.require_object(self._call("GET", batch_id), action)

    def _call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = CALL_TIMEOUT_SECONDS,
        **content: Any,
    ) -> object:
        """Call the API without the SDK and return the JSON of the response; None if it is not JSON."""
        from google.genai import errors

        response = httpx2.request(
            method,
            f"{self._connection.base_url}/{API_VERSION}/{path}",
            headers={"x-goog-api-key": self._connection.secret, **(headers or {})},
            verify=tls_context(),
            timeout=timeout_seconds,
            **content,
        )
        self._clock.measure(response)
        # The SDK's annotation leaves the type of the response partly open.
        errors.APIError.raise_for_response(response)  # pyright: ignore[reportUnknownMemberType]
        is_json = "json" in response.headers.get("content-type", "json")
        return response.json() if is_json else None


def _read_model(model: Row) -> OfferedModel:
    # The list says nothing of an end.
    methods = as_list(model.get("supportedGenerationMethods"))
    return OfferedModel(
        text_field(model, "name").removeprefix("models/"),
        takes_batches="batchGenerateContent" in methods if methods else None,
    )


class _Listed(NamedTuple):
    """A batch in the list: its name, its title, and what else is known of it."""

    name: str
    title: str
    created: dt.datetime | None
    request_count: int | None

    def as_batch(self) -> ListedBatch:
        identity = BatchIdentity.from_title(self.title, self.request_count or 0)
        return ListedBatch(self.name, self.created, identity, request_count=self.request_count)


def _read_listed(operation: Row) -> _Listed:
    details = as_mapping(operation.get("metadata"))
    return _Listed(
        text_field(operation, "name"),
        as_text(details.get("displayName")) or "",
        _time(details.get("createTime")),
        as_count(as_mapping(details.get("batchStats")).get("requestCount")),
    )


def _time(value: object) -> dt.datetime | None:
    try:
        time = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None


def gemini_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema for `responseJsonSchema`, without enums longer than `LONGEST_ENUM`.

    It needs no `propertyOrdering`: Gemini writes properties in the order of `required`.
    """
    return {
        keyword: gemini_schema(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else value
        for keyword, value in schema.items()
        if keyword != "enum" or len(value) <= LONGEST_ENUM
    }


def _state_name(job: types.BatchJob) -> str:
    return _state_word(job.state.name if job.state else "UNSPECIFIED")


def _state_word(name: object) -> str:
    """Return a state without what it begins with; empty if it is no text."""
    word = as_text(name) or ""
    return short_text(word.removeprefix("JOB_STATE_").removeprefix("BATCH_STATE_"), 40)


def _read_result(row: Row) -> ResultRow:
    custom_id = text_field(row, "key")
    response = as_mapping(row.get("response"))
    if not response:
        return ResultRow(custom_id, "errored", error=error_text(row.get("error"), "no response"))
    usage = as_mapping(response.get("usageMetadata"))
    # Counts of zero are left out.
    thoughts = as_count(usage.get("thoughtsTokenCount", 0))
    tokens = billed_tokens(
        as_count(usage.get("promptTokenCount")),
        (as_count(usage.get("candidatesTokenCount")) or 0) + (thoughts or 0),
        cached=as_count(usage.get("cachedContentTokenCount", 0)),
        reasoning=thoughts,
    )
    candidates = as_list(response.get("candidates"))
    if not candidates:
        reason = as_text(as_mapping(response.get("promptFeedback")).get("blockReason")) or "SAFETY"
        return ResultRow(custom_id, "succeeded", None, reason, "no candidate", *tokens)
    candidate = as_mapping(candidates[0])
    texts = [
        text
        for part in as_list(as_mapping(candidate.get("content")).get("parts"))
        if isinstance(text := as_mapping(part).get("text"), str) and not as_mapping(part).get("thought")
    ]
    reason = as_text(candidate.get("finishReason"))
    return ResultRow(custom_id, "succeeded", "".join(texts) or None, reason, None, *tokens)
