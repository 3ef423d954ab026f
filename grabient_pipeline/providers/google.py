"""Google's Gemini batch API, in file mode: rows are matched by key, and never pass through the SDK's own parser."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx2
import pydantic
from google import genai
from google.genai import errors, types

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import ProviderBusy, ProviderError, ProviderRefused, ProviderUncertain
from grabient_pipeline.providers.base import (
    ASK_TIMEOUT_SECONDS,
    CALL_TIMEOUT_SECONDS,
    CREATE_TIMEOUT_SECONDS,
    CUSTOM_ID_HEADER,
    TRANSFER_TIMEOUT_SECONDS,
    AccessMode,
    BatchState,
    BatchStatus,
    Framing,
    LookupRequest,
    LookupResult,
    PromptPayload,
    ResultRow,
    Submission,
    UnreadableRow,
    tls_context,
)
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.errors import OVERLOADED, short_text, translate_errors
from grabient_pipeline.providers.transport.rows import (
    Row,
    count,
    error_text,
    items,
    mapping,
    optional_text,
    read_line,
    text_field,
)
from grabient_pipeline.providers.transport.transfer import retry, upload_with_retry

# The SDK's own default is v1; batches are documented for v1beta.
API_VERSION: Final = "v1beta"

# Gemini compiles enums into a grammar and answers a bare 400 to the whole batch when that becomes too large;
# lists longer than this are left to the prompt.
LONGEST_ENUM: Final = 16

_CLOCK_MARGIN: Final = dt.timedelta(hours=1)
_ENDED: Final[Mapping[str, BatchStatus]] = {
    "SUCCEEDED": "completed",
    # Not in the SDK's list of ended states, but it does not change any more.
    "PARTIALLY_SUCCEEDED": "completed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}


class GoogleBatches:
    """Google, through google-genai, with an API key."""

    key = "google"
    access: AccessMode = "batch"
    framing = Framing()

    def __init__(self, api_key: str, base_url: str) -> None:
        self._secret = api_key
        self._base_url = base_url
        self.endpoint = urlsplit(base_url).netloc
        self._reading = self._client(CALL_TIMEOUT_SECONDS, attempts=3)
        self._moving_files = self._client(TRANSFER_TIMEOUT_SECONDS)
        self._creating = self._client(CREATE_TIMEOUT_SECONDS)

    def _client(self, timeout_seconds: float, attempts: int | None = None) -> genai.Client:
        options = types.HttpOptions(
            base_url=self._base_url,
            api_version=API_VERSION,
            # Milliseconds; without it a call waits for ever.
            timeout=int(timeout_seconds * 1000),
            client_args={"verify": tls_context()},
            # The client makes one for calls that we never make as well.
            async_client_args={"ssl": tls_context()},
            # Unset means no second try, which is what the creation of a batch needs.
            retry_options=types.HttpRetryOptions(attempts=attempts, max_delay=4.0) if attempts else None,
        )
        return genai.Client(vertexai=False, api_key=self._secret, http_options=options)

    def request(self, model: Model, question: PromptPayload, custom_id: str, text: str) -> dict[str, Any]:
        generation: dict[str, Any] = {
            "maxOutputTokens": model.max_output_tokens,
            **model.parameters,
            "responseMimeType": "application/json",
        }
        if model.structured_output == "json_schema":
            generation["responseJsonSchema"] = gemini_schema(question.schema)
        body = {
            "systemInstruction": {"parts": [{"text": question.system}]},
            "contents": [{"role": "user", "parts": [{"text": text}]}],
            "generationConfig": generation,
        }
        return {"key": custom_id, "request": body}

    def check(self) -> None:
        with self._translate_errors("asking for the list of files"):
            self._reading.files.list(config={"page_size": 1})

    def submit(self, submission: Submission) -> str:
        name = upload_with_retry(lambda: self._upload(submission))
        submission.before_creation()
        with self._translate_errors("creating the batch"):
            job = self._creating.batches.create(
                model=submission.model, src=name, config={"display_name": submission.token}
            )
            return text_field({"name": job.name}, "name")

    def _upload(self, submission: Submission) -> str:
        name = f"files/{submission.token}"
        with self._translate_errors("uploading the requests"):
            try:
                self._moving_files.files.upload(
                    file=submission.file,
                    config={"name": name, "display_name": submission.token, "mime_type": "application/jsonl"},
                )
            except errors.ClientError as error:
                # The name is ours alone: an earlier try did arrive.
                if error.code != 409:
                    raise
        return name

    def poll(self, batch_id: str) -> BatchState:
        job = self._job(batch_id)
        provider_status = _state_name(job)
        status = _ENDED.get(provider_status, "submitted")
        # The SDK drops the reason of a failure and the counts; the answer itself has them.
        raw: Row = self._operation(batch_id) if status != "submitted" else {}
        stats = mapping(mapping(raw.get("metadata")).get("batchStats"))
        error = error_text(raw["error"], "failed") if raw.get("error") else None
        return BatchState(
            status=status,
            provider_status=provider_status,
            completed=count(stats.get("successfulRequestCount")),
            failed=count(stats.get("failedRequestCount")),
            ended_at=job.end_time,
            error=error,
        )

    def download(self, batch_id: str, folder: Path) -> list[Path]:
        job = self._job(batch_id)
        name = job.dest.file_name if job.dest else None
        if not name:
            return []
        path = folder / "output.jsonl"

        def fetch() -> Path:
            with self._translate_errors("downloading the results"):
                return write_atomic(path, lambda part: self._moving_files.files.download(file=name, destination=part))

        return [retry(fetch)]

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        return read_line(line, _read_row)

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        # Requests are JSON of the API itself, as batches take them; the SDK's own call takes them in another form.
        with self._translate_errors(f"asking {model}"):
            response = httpx2.post(
                f"{self._base_url}/{API_VERSION}/models/{model}:generateContent",
                json=request["request"],
                headers={"x-goog-api-key": self._secret, CUSTOM_ID_HEADER: str(request["key"])},
                timeout=ASK_TIMEOUT_SECONDS,
                verify=tls_context(),
            )
            if response.status_code >= 400:
                raise self._failure(f"asking {model}", response)
            return {"key": request["key"], "response": response.json()}

    def _failure(self, doing: str, response: httpx2.Response) -> ProviderError:
        """What an answer that is an error means."""
        status = response.status_code
        told = short_text(error_text(mapping(_body(response)).get("error"), "").replace(self._secret, "***"))
        message = f"{doing} failed: HTTP {status}: {told}"
        if status in OVERLOADED:
            return ProviderBusy(self.key, message, status, _retry_delay(response))
        return (ProviderRefused if status < 500 else ProviderUncertain)(self.key, message, status)

    def cancel(self, batch_id: str) -> None:
        with self._translate_errors("cancelling the batch"):
            self._reading.batches.cancel(name=batch_id)

    def find(self, sought: LookupRequest) -> LookupResult:
        seen = 0
        with self._translate_errors("looking for the batch"):
            for name, display_name, created in self._listing():
                if display_name == sought.token:
                    return LookupResult(name, "its display name is the submission", thorough=True)
                seen += created is None or created >= sought.since - _CLOCK_MARGIN
        return LookupResult(
            None, f"{seen} batches since {sought.since:%Y-%m-%d %H:%M}, none of them ours", thorough=True
        )

    def _listing(self) -> Iterator[tuple[str, str, dt.datetime | None]]:
        try:
            jobs = list(self._reading.batches.list(config={"page_size": 100}))
        except (pydantic.ValidationError, IndexError):
            # The SDK's own parser refuses a list in which one job has inline errors; its pager breaks at an empty page.
            yield from self._raw_listing()
            return
        for job in jobs:
            yield job.name or "", job.display_name or "", job.create_time

    def _raw_listing(self) -> Iterator[tuple[str, str, dt.datetime | None]]:
        page_token = ""
        while True:
            page = self._get("batches", {"pageSize": "100", "pageToken": page_token})
            for operation in items(page.get("operations")):
                name = optional_text(mapping(operation).get("name")) or ""
                details = mapping(mapping(operation).get("metadata"))
                yield name, optional_text(details.get("displayName")) or "", None
            page_token = optional_text(page.get("nextPageToken")) or ""
            if not page_token:
                return

    def _job(self, batch_id: str) -> types.BatchJob:
        with self._translate_errors(f"asking for the batch {batch_id}"):
            return self._reading.batches.get(name=batch_id)

    def _operation(self, batch_id: str) -> Row:
        with self._translate_errors(f"asking for the batch {batch_id}"):
            return self._get(batch_id, {})

    def _get(self, path: str, query: dict[str, str]) -> Row:
        """The plain answer, for the fields that the SDK throws away."""
        response = httpx2.get(
            f"{self._base_url}/{API_VERSION}/{path}",
            params={name: value for name, value in query.items() if value},
            headers={"x-goog-api-key": self._secret},
            timeout=CALL_TIMEOUT_SECONDS,
        )
        if response.status_code >= 400:
            raise self._failure(f"asking for {path}", response)
        return mapping(response.json())

    def _translate_errors(self, doing: str) -> AbstractContextManager[None]:
        return translate_errors(self.key, doing, self._secret)


def gemini_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same schema for `responseJsonSchema`: without enums longer than `LONGEST_ENUM`.

    It needs no `propertyOrdering`: properties come in the order of `required`.
    """
    return {
        keyword: gemini_schema(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else value
        for keyword, value in schema.items()
        if keyword != "enum" or len(value) <= LONGEST_ENUM
    }


def _body(response: httpx2.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None


def _retry_delay(response: httpx2.Response) -> float | None:
    """Seconds, which Google says in the body and not in a header."""
    body = _body(response)
    for detail in items(mapping(mapping(body).get("error")).get("details")):
        delay = optional_text(mapping(detail).get("retryDelay"))
        if delay and delay.removesuffix("s").replace(".", "", 1).isdigit():
            return float(delay.removesuffix("s"))
    return None


def _state_name(job: types.BatchJob) -> str:
    name = job.state.name if job.state else "UNSPECIFIED"
    return short_text(name.removeprefix("JOB_STATE_").removeprefix("BATCH_STATE_"), 40)


def _read_row(row: Row) -> ResultRow:
    custom_id = text_field(row, "key")
    response = mapping(row.get("response"))
    if not response:
        return ResultRow(custom_id, "errored", error=error_text(row.get("error"), "no response"))
    usage = mapping(response.get("usageMetadata"))
    output = (count(usage.get("candidatesTokenCount")) or 0) + (count(usage.get("thoughtsTokenCount")) or 0)
    tokens = count(usage.get("promptTokenCount")), output
    candidates = items(response.get("candidates"))
    if not candidates:
        reason = optional_text(mapping(response.get("promptFeedback")).get("blockReason")) or "SAFETY"
        return ResultRow(custom_id, "succeeded", None, reason, "no candidate", *tokens)
    candidate = mapping(candidates[0])
    texts = [
        text
        for part in items(mapping(candidate.get("content")).get("parts"))
        if isinstance(text := mapping(part).get("text"), str) and not mapping(part).get("thought")
    ]
    reason = optional_text(candidate.get("finishReason"))
    return ResultRow(custom_id, "succeeded", "".join(texts) or None, reason, None, *tokens)
