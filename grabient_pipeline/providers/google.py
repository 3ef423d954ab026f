"""Google's Gemini batch API in file mode: rows are matched by key and never pass through the SDK's own parser."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast
from urllib.parse import urlsplit

import httpx2
import pydantic

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import ProviderBusy, ProviderError, ProviderRefused, ProviderUncertain
from grabient_pipeline.providers.base import (
    ASK_TIMEOUT_SECONDS,
    CALL_TIMEOUT_SECONDS,
    CLOCK_MARGIN,
    CREATE_TIMEOUT_SECONDS,
    CUSTOM_ID_HEADER,
    TRANSFER_TIMEOUT_SECONDS,
    BatchState,
    BatchStatus,
    Framing,
    LookupRequest,
    LookupResult,
    PromptPayload,
    ResultRow,
    RunsRemotely,
    Submission,
    UnreadableRow,
    tls_context,
)
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.errors import OVERLOADED, short_text, translate_errors
from grabient_pipeline.providers.transport.rows import (
    Row,
    as_count,
    as_list,
    as_mapping,
    as_text,
    error_text,
    iterate_pages,
    read_line,
    text_field,
)
from grabient_pipeline.providers.transport.transfer import retry, upload_with_retry

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
    framing: ClassVar[Framing] = Framing()

    def __init__(self, api_key: str, base_url: str) -> None:
        self._secret = api_key
        self._base_url = base_url
        self.endpoint = urlsplit(base_url).netloc
        self._client = self._open_client(CALL_TIMEOUT_SECONDS, attempts=3)
        self._transfer_client = self._open_client(TRANSFER_TIMEOUT_SECONDS)
        self._creation_client = self._open_client(CREATE_TIMEOUT_SECONDS)

    def _open_client(self, timeout_seconds: float, attempts: int | None = None) -> genai.Client:
        # Not at the top: rendering requests needs no SDK, and importing it takes seconds.
        from google import genai
        from google.genai import types

        options = types.HttpOptions(
            base_url=self._base_url,
            api_version=API_VERSION,
            # In milliseconds; without it, calls never time out.
            timeout=int(timeout_seconds * 1000),
            client_args={"verify": tls_context()},
            # The client also opens an asynchronous one, which is never used.
            async_client_args={"ssl": tls_context()},
            # Unset means no retries, which is what creating a batch needs.
            retry_options=types.HttpRetryOptions(attempts=attempts, max_delay=4.0) if attempts else None,
        )
        return genai.Client(vertexai=False, api_key=self._secret, http_options=options)

    @staticmethod
    def request(model: Model, payload: PromptPayload, custom_id: str, text: str) -> dict[str, Any]:
        generation: dict[str, Any] = {
            "maxOutputTokens": model.max_output_tokens,
            **model.parameters,
            "responseMimeType": "application/json",
        }
        if model.structured_output == "json_schema":
            generation["responseJsonSchema"] = gemini_schema(payload.schema)
        body = {
            "systemInstruction": {"parts": [{"text": payload.system}]},
            "contents": [{"role": "user", "parts": [{"text": text}]}],
            "generationConfig": generation,
        }
        return {"key": custom_id, "request": body}

    def check(self) -> None:
        with self._translate_errors("asking for the list of files"):
            self._client.files.list(config={"page_size": 1})

    def submit(self, submission: Submission) -> str:
        name = upload_with_retry(lambda: self._upload(submission))
        submission.before_creation()
        with self._translate_errors("creating the batch"):
            job = self._creation_client.batches.create(
                model=submission.model, src=name, config={"display_name": submission.submission}
            )
            return text_field({"name": job.name}, "name")

    def _upload(self, submission: Submission) -> str:
        from google.genai import errors

        name = f"files/{submission.submission}"
        with self._translate_errors("uploading the requests"):
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
        job = self._get_job(batch_id)
        provider_status = _state_name(job)
        status = _ENDED.get(provider_status, "submitted")
        # The SDK drops the reason for a failure and the counts, which are in the response.
        raw: Row = self._get_operation(batch_id) if status != "submitted" else {}
        stats = as_mapping(as_mapping(raw.get("metadata")).get("batchStats"))
        error = error_text(raw["error"], "failed") if raw.get("error") else None
        return BatchState(
            status=status,
            provider_status=provider_status,
            completed=as_count(stats.get("successfulRequestCount")),
            failed=as_count(stats.get("failedRequestCount")),
            ended_at=job.end_time,
            error=error,
        )

    def download(self, batch_id: str, folder: Path) -> list[Path]:
        job = self._get_job(batch_id)
        name = job.dest.file_name if job.dest else None
        if not name:
            return []
        path = folder / "output.jsonl"

        def fetch() -> Path:
            with self._translate_errors("downloading the results"):
                return write_atomic(
                    path, lambda part: self._transfer_client.files.download(file=name, destination=part)
                )

        return [retry(fetch)]

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        return read_line(line, _read_result)

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        # Requests are in the JSON of the API, as batches take them; the SDK's call takes another form.
        with self._translate_errors(f"asking {model}"):
            response = httpx2.post(
                f"{self._base_url}/{API_VERSION}/models/{model}:generateContent",
                json=request["request"],
                headers={"x-goog-api-key": self._secret, CUSTOM_ID_HEADER: str(request["key"])},
                timeout=ASK_TIMEOUT_SECONDS,
                verify=tls_context(),
            )
            if response.status_code >= 400:
                raise self._translate_response(f"asking {model}", response)
            return {"key": request["key"], "response": response.json()}

    def _translate_response(self, action: str, response: httpx2.Response) -> ProviderError:
        """Translate an error response to an exception."""
        status = response.status_code
        reason = short_text(error_text(as_mapping(_read_json(response)).get("error"), "").replace(self._secret, "***"))
        message = f"{action} failed: HTTP {status}: {reason}"
        if status in OVERLOADED:
            return ProviderBusy(self.key, message, status, _retry_delay(response))
        return (ProviderRefused if status < 500 else ProviderUncertain)(self.key, message, status)

    def cancel(self, batch_id: str) -> None:
        with self._translate_errors("cancelling the batch"):
            self._client.batches.cancel(name=batch_id)

    def find(self, lookup: LookupRequest) -> LookupResult:
        seen = 0
        with self._translate_errors("looking for the batch"):
            for name, display_name, created in self._list_batches():
                if display_name == lookup.submission:
                    return LookupResult(name, "its display name is the submission", thorough=True)
                seen += created is None or created >= lookup.since - CLOCK_MARGIN
        return LookupResult(
            None, f"{seen} batches since {lookup.since:%Y-%m-%d %H:%M}, none of them ours", thorough=True
        )

    def _list_batches(self) -> Iterator[tuple[str, str, dt.datetime | None]]:
        """Yield the name, the display name and, where known, the creation time of every batch."""
        try:
            jobs = list(self._client.batches.list(config={"page_size": 100}))
        except (pydantic.ValidationError, IndexError):
            # The SDK refuses a list in which one job has inline errors, and its pager fails at an empty page.
            yield from self._list_without_sdk()
            return
        for job in jobs:
            yield job.name or "", job.display_name or "", job.create_time

    def _list_without_sdk(self) -> Iterator[tuple[str, str, dt.datetime | None]]:
        def list_page(page_token: str | None) -> Row:
            return self._get("batches", {"pageSize": "100", "pageToken": page_token or ""})

        def next_cursor(page: Row, _: str | None) -> str | None:
            return as_text(page.get("nextPageToken")) or None

        for page in iterate_pages(list_page, next_cursor):
            for operation in map(as_mapping, as_list(page.get("operations"))):
                details = as_mapping(operation.get("metadata"))
                yield as_text(operation.get("name")) or "", as_text(details.get("displayName")) or "", None

    def _get_job(self, batch_id: str) -> types.BatchJob:
        with self._translate_errors(f"asking for the batch {batch_id}"):
            return self._client.batches.get(name=batch_id)

    def _get_operation(self, batch_id: str) -> Row:
        with self._translate_errors(f"asking for the batch {batch_id}"):
            return self._get(batch_id, {})

    def _get(self, path: str, query: dict[str, str]) -> Row:
        """Return the raw response, with the fields that the SDK drops."""
        response = httpx2.get(
            f"{self._base_url}/{API_VERSION}/{path}",
            params={name: value for name, value in query.items() if value},
            headers={"x-goog-api-key": self._secret},
            timeout=CALL_TIMEOUT_SECONDS,
        )
        if response.status_code >= 400:
            raise self._translate_response(f"asking for {path}", response)
        return as_mapping(response.json())

    def _translate_errors(self, action: str) -> AbstractContextManager[None]:
        return translate_errors(self.key, action, self._secret)


def gemini_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema for `responseJsonSchema`, without enums longer than `LONGEST_ENUM`.

    It needs no `propertyOrdering`: Gemini writes properties in the order of `required`.
    """
    return {
        keyword: gemini_schema(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else value
        for keyword, value in schema.items()
        if keyword != "enum" or len(value) <= LONGEST_ENUM
    }


def _read_json(response: httpx2.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None


def _retry_delay(response: httpx2.Response) -> float | None:
    """Return the seconds to wait, which Google states in the body instead of a header."""
    body = _read_json(response)
    for detail in as_list(as_mapping(as_mapping(body).get("error")).get("details")):
        delay = as_text(as_mapping(detail).get("retryDelay"))
        if delay and delay.removesuffix("s").replace(".", "", 1).isdigit():
            return float(delay.removesuffix("s"))
    return None


def _state_name(job: types.BatchJob) -> str:
    name = job.state.name if job.state else "UNSPECIFIED"
    return short_text(name.removeprefix("JOB_STATE_").removeprefix("BATCH_STATE_"), 40)


def _read_result(row: Row) -> ResultRow:
    custom_id = text_field(row, "key")
    response = as_mapping(row.get("response"))
    if not response:
        return ResultRow(custom_id, "errored", error=error_text(row.get("error"), "no response"))
    usage = as_mapping(response.get("usageMetadata"))
    output = (as_count(usage.get("candidatesTokenCount")) or 0) + (as_count(usage.get("thoughtsTokenCount")) or 0)
    tokens = as_count(usage.get("promptTokenCount")), output
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
