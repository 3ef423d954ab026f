"""Anthropic's Message Batches: one call carries all requests; nothing of ours travels with it but the custom ids."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import anthropic
import httpx2
import orjson
from anthropic.types.messages import MessageBatch

from grabient_pipeline.errors import ProviderRefused
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
    Outcome,
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
    following,
    items,
    mapping,
    optional_text,
    plain_object,
    read_line,
    text_field,
)
from grabient_pipeline.providers.transport.transfer import retry, write_chunks

_PAGE: Final = 100
_CLOCK_MARGIN: Final = dt.timedelta(hours=1)
_OUTCOMES: Final[Mapping[str, Outcome]] = {"canceled": "cancelled", "expired": "expired"}


class AnthropicBatches:
    """Anthropic, through its SDK."""

    key = "anthropic"
    access: AccessMode = "batch"
    # The file is the body of the one call, so that it is sent from disk and never stands in memory.
    framing = Framing(head=b'{"requests":[', separator=b",\n", tail=b"]}")

    def __init__(self, api_key: str, base_url: str) -> None:
        self._secret = api_key
        self._host = urlsplit(base_url).netloc
        self._client = anthropic.Anthropic(
            api_key=api_key,
            base_url=base_url,
            timeout=CALL_TIMEOUT_SECONDS,
            http_client=anthropic.DefaultHttpxClient(event_hooks={"request": [self._stay_home]}, verify=tls_context()),
        )

    @property
    def endpoint(self) -> str:
        return self._host

    def request(self, model: Model, question: PromptPayload, custom_id: str, text: str) -> dict[str, Any]:
        params: dict[str, Any] = {
            "model": model.id,
            "max_tokens": model.max_output_tokens,
            "system": question.system,
            "messages": [{"role": "user", "content": text}],
            **model.parameters,
        }
        if model.structured_output == "json_schema":
            params["output_config"] = {"format": {"type": "json_schema", "schema": question.schema}}
        elif model.structured_output == "tool":
            tool = {"name": question.schema_name, "input_schema": question.schema}
            params["tools"] = [tool]
            params["tool_choice"] = {"type": "tool", "name": question.schema_name}
        return {"custom_id": custom_id, "params": params}

    def check(self) -> None:
        with self._translate_errors("asking for the list of batches"):
            self._client.messages.batches.list(limit=1)

    def submit(self, submission: Submission) -> str:
        # The SDK's own `create` builds the whole body in memory, several times over; its `post` sends a file as it is.
        client = self._client.with_options(max_retries=0, timeout=CREATE_TIMEOUT_SECONDS)
        submission.before_creation()
        with self._translate_errors("creating the batch"), submission.file.open("rb") as file:
            batch = client.post(
                "/v1/messages/batches",
                cast_to=MessageBatch,
                content=file,
                options={"headers": {"Content-Type": "application/json"}},
            )
            return text_field({"id": batch.id}, "id")

    def poll(self, batch_id: str) -> BatchState:
        batch = self._retrieve(batch_id)
        provider_status = short_text(batch.get("processing_status"), 40)
        counts = mapping(batch.get("request_counts"))
        succeeded, errored, canceled, expired = (
            count(counts.get(name)) or 0 for name in ("succeeded", "errored", "canceled", "expired")
        )
        if provider_status != "ended":
            # Its counts stay at 0 until the end.
            return BatchState("submitted", provider_status)
        status: BatchStatus = "completed"
        if batch.get("cancel_initiated_at") and canceled:
            status = "cancelled"
        elif expired:
            status = "expired"
        ended_at = batch.get("ended_at")
        return BatchState(
            status=status,
            provider_status=provider_status,
            completed=succeeded,
            failed=errored + canceled + expired,
            ended_at=ended_at if isinstance(ended_at, dt.datetime) else None,
        )

    def download(self, batch_id: str, folder: Path) -> list[Path]:
        results_url = self._retrieve(batch_id).get("results_url")
        if not isinstance(results_url, str):
            raise ProviderRefused(
                self.key,
                f"the batch {batch_id} has no results to fetch: they are not ready, or older than the "
                "29 days for which they are kept",
            )
        if urlsplit(results_url).netloc != self._host:
            raise ProviderRefused(
                self.key,
                f"the results of {batch_id} are said to be at another host ({short_text(results_url, 80)}); "
                "the key was not sent there",
            )
        return [retry(lambda: self._download(batch_id, folder / "output.jsonl"))]

    def _download(self, batch_id: str, path: Path) -> Path:
        client = self._client.with_options(timeout=TRANSFER_TIMEOUT_SECONDS)
        streamed = client.messages.batches.with_streaming_response.results(batch_id)
        with self._translate_errors("downloading the results"), streamed as response:
            return write_chunks(path, response.iter_bytes())

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        return read_line(line, _read_row)

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        client = self._client.with_options(max_retries=0, timeout=ASK_TIMEOUT_SECONDS)
        headers = {CUSTOM_ID_HEADER: str(request["custom_id"])}
        with translate_errors(self.key, f"asking {model}", self._secret, OVERLOADED):
            message = client.post("/v1/messages", cast_to=object, body=request["params"], options={"headers": headers})
        return {"custom_id": request["custom_id"], "result": {"type": "succeeded", "message": message}}

    def cancel(self, batch_id: str) -> None:
        with self._translate_errors("cancelling the batch"):
            self._client.messages.batches.cancel(batch_id)

    def find(self, sought: LookupRequest) -> LookupResult:
        """Only the custom ids tell whose a batch is, and they can be read when it has ended.

        Until then a batch of another of our submissions, or with another number of requests, is certainly not it.
        """
        unknown: list[str] = []
        seen = 0
        with self._translate_errors("looking for the batch"):
            for batch in self._listing():
                if batch.created_at < sought.since - _CLOCK_MARGIN:
                    break
                seen += 1
                if batch.id in sought.known or _request_count(batch) not in (None, sought.request_count):
                    continue
                first = self._first_custom_id(batch.id) if batch.results_url else None
                if first is None:
                    unknown.append(batch.id)
                elif first.startswith(f"{sought.token}_"):
                    return LookupResult(batch.id, "its results carry the submission", thorough=True)
        evidence = f"{seen} batches since {sought.since:%Y-%m-%d %H:%M}, none of them certainly ours"
        if unknown:
            evidence += (
                f"; {', '.join(unknown)} may be: as many requests, and whose they are shows when they have ended"
            )
        return LookupResult(None, evidence, thorough=not unknown, candidates=tuple(unknown))

    def _listing(self) -> Iterator[MessageBatch]:
        """Every batch, newest first. Not the SDK's own paging: that takes an empty page for the last one."""
        after: str | None = None
        while True:
            page = self._client.messages.batches.list(limit=_PAGE, after_id=after or anthropic.omit)
            yield from page.data
            after = following(self.key, page.has_more, page.last_id or (page.data[-1].id if page.data else None), after)
            if after is None:
                return

    def _first_custom_id(self, batch_id: str) -> str | None:
        with self._client.messages.batches.with_streaming_response.results(batch_id) as response:
            head = b""
            for chunk in response.iter_bytes():
                head += chunk
                if b"\n" in head:
                    break
        row = read_line(head.split(b"\n", 1)[0], _read_row)
        return row.custom_id if isinstance(row, ResultRow) else None

    def _retrieve(self, batch_id: str) -> Row:
        with self._translate_errors(f"asking for the batch {batch_id}"):
            return plain_object(self._client.messages.batches.retrieve(batch_id))

    def _stay_home(self, request: httpx2.Request) -> None:
        # The SDK follows `results_url` to any host, and takes the key along.
        if request.url.netloc.decode("ascii") != self._host:
            raise ProviderRefused(self.key, f"refused to call {request.url.host}; the key was not sent there")

    def _translate_errors(self, doing: str) -> AbstractContextManager[None]:
        return translate_errors(self.key, doing, self._secret)


def _request_count(batch: MessageBatch) -> int | None:
    """All requests of a batch: the five counts always add up to them. None if they cannot be read."""
    counts = mapping(plain_object(batch).get("request_counts"))
    numbers = [count(counts.get(name)) for name in ("processing", "succeeded", "errored", "canceled", "expired")]
    return sum(number for number in numbers if number is not None) if None not in numbers else None


def _read_row(row: Row) -> ResultRow:
    custom_id = text_field(row, "custom_id")
    result = mapping(row.get("result"))
    kind = result.get("type")
    if kind == "succeeded":
        message = mapping(result.get("message"))
        usage = mapping(message.get("usage"))
        input_tokens = (
            (count(usage.get("input_tokens")) or 0)
            + (count(usage.get("cache_creation_input_tokens")) or 0)
            + (count(usage.get("cache_read_input_tokens")) or 0)
        )
        return ResultRow(
            custom_id,
            "succeeded",
            _text(message.get("content")),
            optional_text(message.get("stop_reason")),
            None,
            input_tokens,
            count(usage.get("output_tokens")),
        )
    if kind == "errored":
        outer = mapping(result.get("error"))
        return ResultRow(custom_id, "errored", error=error_text(outer.get("error") or outer, "errored"))
    outcome = _OUTCOMES.get(str(kind))
    if outcome is not None:
        return ResultRow(custom_id, outcome, error=f"the batch was {outcome} before this request")
    raise ValueError(f"unknown result type {short_text(kind, 40)}")


def _text(content: object) -> str | None:
    """The text blocks joined; a forced tool's input counts as the text that it stands for."""
    texts: list[str] = []
    for block in map(mapping, items(content)):
        kind = block.get("type")
        if kind == "tool_use":
            return orjson.dumps(block.get("input")).decode()
        if kind == "text" and isinstance(text := block.get("text"), str):
            texts.append(text)
    return "".join(texts) if texts else None
