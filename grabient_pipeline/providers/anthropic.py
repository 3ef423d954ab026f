"""Anthropic's Message Batches: one call carries all requests, and only their custom ids identify our batches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

import orjson

from grabient_pipeline.errors import ProviderRefused
from grabient_pipeline.http_environment import tls_context
from grabient_pipeline.providers.base import (
    ASK_TIMEOUT_SECONDS,
    CALL_TIMEOUT_SECONDS,
    CREATE_TIMEOUT_SECONDS,
    CUSTOM_ID_HEADER,
    LISTING_MODELS,
    TRANSFER_TIMEOUT_SECONDS,
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
    as_tier,
    billed_tokens,
    error_text,
    find_entries,
    iterate_pages,
    next_page,
    page_entries,
    plain_object,
    read_batch,
    read_day,
    read_line,
    text_field,
)
from grabient_pipeline.providers.transport.transfer import retry, write_response

if TYPE_CHECKING:
    import httpx2
    from anthropic.pagination import SyncPage
    from anthropic.types import ModelInfo
    from anthropic.types.messages import MessageBatch

_PAGE_SIZE: Final = 100
_MODELS_PAGE_SIZE: Final = 1000
_NOT_RUN: Final[Mapping[str, Outcome]] = {"canceled": "cancelled", "expired": "expired"}


class AnthropicBatches(RunsRemotely):
    """Anthropic, through its SDK."""

    key: ClassVar[str] = "anthropic"
    # The request file is the body of the call, so that it is sent from disk and never held in memory.
    framing: ClassVar[Framing] = Framing(head=b'{"requests":[', separator=b",\n", tail=b"]}")

    def __init__(self, connection: Connection) -> None:
        # Not at the top: rendering requests needs no SDK, and importing it takes seconds.
        import anthropic

        self._connection = connection
        self.endpoint = connection.endpoint
        self._clock = ProviderClock()
        self._client = anthropic.Anthropic(
            api_key=connection.secret,
            base_url=connection.base_url,
            timeout=CALL_TIMEOUT_SECONDS,
            http_client=anthropic.DefaultHttpxClient(
                event_hooks={"request": [self._refuse_other_hosts], "response": self._clock.response_hooks},
                verify=tls_context(),
            ),
        )

    @staticmethod
    def request(
        model: Model, payload: PromptPayload, custom_id: str, text: str, picture: str | None = None
    ) -> dict[str, Any]:
        content: str | list[dict[str, Any]] = text
        if picture is not None:
            source = {"type": "base64", "media_type": payload.picture_type, "data": picture}
            # Claude reads pictures best before the text.
            content = [{"type": "image", "source": source}, {"type": "text", "text": text}]
        params: dict[str, Any] = {
            "model": model.id,
            "max_tokens": model.max_output_tokens,
            "system": payload.system,
            "messages": [{"role": "user", "content": content}],
            **model.parameters,
        }
        if model.structured_output == "json_schema":
            answer_format = {"type": "json_schema", "schema": payload.schema}
            params["output_config"] = {**model.parameters.get("output_config", {}), "format": answer_format}
        elif model.structured_output == "tool":
            tool = {"name": payload.schema_name, "input_schema": payload.schema}
            params["tools"] = [tool]
            params["tool_choice"] = {"type": "tool", "name": payload.schema_name}
        return {"custom_id": custom_id, "params": params}

    def check(self) -> None:
        with self._connection.translate_errors("asking for the list of batches"):
            page_entries(self._client.messages.batches.list(limit=1).data)

    def submit(self, submission: Submission) -> str:
        from anthropic.types.messages import MessageBatch

        # The SDK's `create` builds the whole body in memory, several times over; its `post` sends a file as it is.
        client = self._client.with_options(max_retries=0, timeout=CREATE_TIMEOUT_SECONDS)
        submission.before_creation()
        with self._connection.translate_errors("creating the batch"), submission.file.open("rb") as file:
            batch = client.post(
                "/v1/messages/batches",
                cast_to=MessageBatch,
                content=file,
                options={"headers": {"Content-Type": "application/json"}},
            )
            return text_field({"id": batch.id}, "id")

    def poll(self, batch_id: str) -> BatchState:
        return _read_state(self._retrieve(batch_id))

    def list_states(self, batch_ids: Collection[str]) -> Iterator[tuple[str, BatchState]]:
        with self._connection.translate_errors("asking for the list of batches"):
            for batch_id, batch in find_entries(map(plain_object, self._list_batches()), "id", batch_ids):
                yield batch_id, _read_state(batch)

    def download(self, batch_id: str, folder: Path) -> Delivery:
        batch = self._retrieve(batch_id)
        if batch.get("archived_at"):
            raise ProviderRefused(
                self.key, f"the results of {batch_id} are older than the 29 days for which they are kept"
            )
        if not batch.get("results_url"):
            return Delivery(_read_state(batch), [])
        return Delivery(_read_state(batch), [retry(lambda: self._download(batch_id, folder / "output.jsonl"))])

    def _download(self, batch_id: str, path: Path) -> Path:
        results = self._open_results(batch_id, TRANSFER_TIMEOUT_SECONDS)
        with self._connection.translate_errors("downloading the results"), results as response:
            return write_response(self.key, path, response)

    @contextmanager
    def _open_results(self, batch_id: str, timeout_seconds: float) -> Generator[httpx2.Response]:
        """Request the results at the base URL, whatever `results_url` says.

        Behind a gateway, `results_url` is Anthropic's own address, which does not know the gateway's key.
        """
        import httpx2

        response = self._client.with_options(timeout=timeout_seconds).get(
            f"/v1/messages/batches/{quote(batch_id, safe='')}/results",
            cast_to=httpx2.Response,
            options={"headers": {"Accept": "application/binary"}},
            stream=True,
        )
        try:
            yield response
        finally:
            response.close()

    def read_row(self, line: bytes) -> ResultRow | UnreadableRow:
        return read_line(line, _read_result)

    def ask(self, model: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        client = self._client.with_options(max_retries=0, timeout=ASK_TIMEOUT_SECONDS)
        headers = {CUSTOM_ID_HEADER: str(request["custom_id"])}
        with self._connection.translate_errors(f"asking {model}", busy_statuses=OVERLOADED):
            message = client.post("/v1/messages", cast_to=object, body=request["params"], options={"headers": headers})
        answer = self._connection.require_object(message, f"asking {model}")
        return {"custom_id": request["custom_id"], "result": {"type": "succeeded", "message": answer}}

    def list_models(self) -> Iterator[OfferedModel]:
        with self._connection.translate_errors(LISTING_MODELS):
            for page in iterate_pages(self._list_models_page, self._next_models_cursor):
                yield from map(_read_model, map(plain_object, page_entries(page.data)))

    def _list_models_page(self, after: str | None) -> SyncPage[ModelInfo]:
        import anthropic

        # Without `retired`, a model that has ended would only be missing, and its end unknown.
        return self._client.models.list(
            limit=_MODELS_PAGE_SIZE, lifecycle=["active", "deprecated", "retired"], after_id=after or anthropic.omit
        )

    def _next_models_cursor(self, page: SyncPage[ModelInfo], after: str | None) -> str | None:
        last_id = page.last_id or (page.data[-1].id if page.data else None)
        return next_page(self.key, page.has_more, last_id, after, "models")

    @staticmethod
    def announced_ends() -> Mapping[str, str]:
        # The SDK warns by this table when one of the models is called. It has no public name.
        from anthropic._data import DEPRECATED_MODELS  # pyright: ignore[reportPrivateUsage]

        return DEPRECATED_MODELS

    def cancel(self, batch_id: str) -> None:
        with self._connection.translate_errors("cancelling the batch", not_found=SAME_PROJECT):
            read_batch(self._client.messages.batches.cancel(batch_id))

    def find(self, lookup: LookupRequest) -> LookupResult:
        """Look for the batch by the custom ids in its results, which can be read only when it has ended.

        Until then only batches of other submissions and batches of another size are certainly not it.
        """
        unknown: list[str] = []
        seen = 0
        with self._connection.translate_errors("looking for the batch"):
            for batch in self._list_batches():
                if lookup.earliest is not None and batch.created_at < lookup.earliest:
                    break
                seen += 1
                if batch.id in lookup.known or _request_count(batch) not in (None, lookup.request_count):
                    continue
                first = self._first_custom_id(batch.id) if batch.results_url else None
                if first is None:
                    unknown.append(batch.id)
                elif first.startswith(f"{lookup.submission}_"):
                    return LookupResult(batch.id, "its results carry the submission", thorough=True)
        evidence = f"{seen} batches {lookup.period}, none of them certainly ours"
        if unknown:
            evidence += (
                f"; {', '.join(unknown)} may be: as many requests, and whose they are shows when they have ended"
            )
        return LookupResult(None, evidence, thorough=not unknown, candidates=tuple(unknown))

    def list_batches(self, since: dt.datetime | None, known: frozenset[str]) -> Iterator[ListedBatch]:
        with self._connection.translate_errors("listing the batches"):
            for batch in self._list_batches():
                if since is not None and batch.created_at < since:
                    return
                # The results of an archived batch are deleted: nothing is left to adopt.
                if batch.id in known or batch.archived_at:
                    continue
                first = self._first_custom_id(batch.id) if batch.results_url else None
                yield ListedBatch(
                    batch.id,
                    batch.created_at,
                    custom_id=first,
                    request_count=_request_count(batch),
                    is_unreadable=not batch.results_url,
                )

    def _list_batches(self) -> Iterator[MessageBatch]:
        """Yield every batch, newest first."""
        for page in iterate_pages(self._list_page, self._next_cursor):
            yield from page.data

    def _list_page(self, after: str | None) -> SyncPage[MessageBatch]:
        import anthropic

        return self._client.messages.batches.list(limit=_PAGE_SIZE, after_id=after or anthropic.omit)

    def _next_cursor(self, page: SyncPage[MessageBatch], after: str | None) -> str | None:
        last_id = page.last_id or (page.data[-1].id if page.data else None)
        return next_page(self.key, page.has_more, last_id, after)

    def _first_custom_id(self, batch_id: str) -> str | None:
        with self._open_results(batch_id, CALL_TIMEOUT_SECONDS) as response:
            head = b""
            for chunk in response.iter_bytes():
                head += chunk
                if b"\n" in head:
                    break
        row = read_line(head.split(b"\n", 1)[0], _read_result)
        return row.custom_id if isinstance(row, ResultRow) else None

    def _retrieve(self, batch_id: str) -> Row:
        with self._connection.translate_errors(f"asking for the batch {batch_id}", not_found=SAME_PROJECT):
            return read_batch(self._client.messages.batches.retrieve(batch_id))

    def _refuse_other_hosts(self, request: httpx2.Request) -> None:
        # A redirect must not take the key or the requests to another host.
        if request.url.netloc != self._client.base_url.netloc:
            raise ProviderRefused(self.key, f"refused to call {request.url.host}; the key was not sent there")


def _read_state(batch: Row) -> BatchState:
    provider_status = short_text(batch.get("processing_status"), 40)
    counts = as_mapping(batch.get("request_counts"))
    succeeded, errored, canceled, expired = (
        as_count(counts.get(name)) or 0 for name in ("succeeded", "errored", "canceled", "expired")
    )
    if provider_status != "ended":
        # The counts stay at 0 until the batch has ended.
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


def _read_model(model: Row) -> OfferedModel:
    lifecycle = model.get("lifecycle")
    ends_on, unreadable_end = read_day(model.get("retires_at"))
    takes_batches = as_mapping(as_mapping(model.get("capabilities")).get("batch")).get("supported")
    return OfferedModel(
        text_field(model, "id"),
        ends_on,
        unreadable_end,
        is_deprecated=lifecycle == "deprecated",
        is_retired=lifecycle == "retired",
        takes_batches=takes_batches if isinstance(takes_batches, bool) else None,
    )


def _request_count(batch: MessageBatch) -> int | None:
    """Return how many requests a batch has: the sum of its five counts. None if one of them cannot be read."""
    counts = as_mapping(plain_object(batch).get("request_counts"))
    numbers = [as_count(counts.get(name)) for name in ("processing", "succeeded", "errored", "canceled", "expired")]
    return sum(number for number in numbers if number is not None) if None not in numbers else None


def _read_result(row: Row) -> ResultRow:
    custom_id = text_field(row, "custom_id")
    result = as_mapping(row.get("result"))
    kind = result.get("type")
    if kind == "succeeded":
        message = as_mapping(result.get("message"))
        usage = as_mapping(message.get("usage"))
        cached = as_count(usage.get("cache_read_input_tokens"))
        written = as_count(usage.get("cache_creation_input_tokens"))
        tokens = billed_tokens(
            # The provider's own figure is the rest of the input.
            (as_count(usage.get("input_tokens")) or 0) + (written or 0) + (cached or 0),
            as_count(usage.get("output_tokens")),
            cached=cached,
            written=written,
            written_hour=as_count(as_mapping(usage.get("cache_creation")).get("ephemeral_1h_input_tokens")),
            reasoning=as_count(as_mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
        )
        return ResultRow(
            custom_id,
            "succeeded",
            _join_text(message.get("content")),
            as_text(message.get("stop_reason")),
            None,
            *tokens,
            as_tier(usage.get("service_tier")),
        )
    if kind == "errored":
        outer = as_mapping(result.get("error"))
        return ResultRow(custom_id, "errored", error=error_text(outer.get("error") or outer, "errored"))
    outcome = _NOT_RUN.get(str(kind))
    if outcome is not None:
        return ResultRow(custom_id, outcome, error=f"the batch was {outcome} before this request")
    raise ValueError(f"unknown result type {short_text(kind, 40)}")


def _join_text(content: object) -> str | None:
    """Join the text blocks of a message; the input of a forced tool call is returned as JSON text instead."""
    texts: list[str] = []
    for block in map(as_mapping, as_list(content)):
        kind = block.get("type")
        if kind == "tool_use":
            return orjson.dumps(block.get("input")).decode()
        if kind == "text" and isinstance(text := block.get("text"), str):
            texts.append(text)
    return "".join(texts) if texts else None
