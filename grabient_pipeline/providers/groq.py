"""Groq's batch API: OpenAI's format with listings of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from grabient_pipeline.http_environment import tls_context
from grabient_pipeline.providers.base import CALL_TIMEOUT_SECONDS, OfferedModel
from grabient_pipeline.providers.chat_completions import ChatCompletionBatches
from grabient_pipeline.providers.transport.rows import (
    Row,
    as_mapping,
    epoch_time,
    iterate_pages,
    page_entries,
    plain_object,
    text_field,
)

_PAGE_SIZE = 100


class GroqBatches(ChatCompletionBatches):
    """Groq, through its SDK; `base_url` has no `/openai/v1`, which the SDK adds."""

    key: ClassVar[str] = "groq"
    ask_path: ClassVar[str] = "/openai/v1/chat/completions"

    def _open_client(self) -> Any:
        import groq

        return groq.Groq(
            api_key=self._connection.secret,
            base_url=self._connection.base_url,
            timeout=CALL_TIMEOUT_SECONDS,
            http_client=groq.DefaultHttpxClient(
                event_hooks={"response": self._clock.response_hooks}, verify=tls_context()
            ),
        )

    def _batches_since(self, earliest: dt.datetime | None) -> Iterator[Row]:
        for row in self._entries(self._client.batches.list):
            created = epoch_time(row.get("created_at"))
            # The order is not documented, so an old batch is skipped and does not end the listing.
            if created is None or earliest is None or created >= earliest:
                yield row

    def _newest_batches(self) -> Iterator[Row]:
        # The reference does not mention the size of a page. If it is refused, batches are asked for one by one.
        return self._entries(self._client.batches.list, {"limit": _PAGE_SIZE})

    def _models(self) -> Iterator[Row]:
        return self._entries(self._client.models.list)

    @staticmethod
    def _read_model(model: Row) -> OfferedModel:
        # The list names no ends, only models that cannot be called any more.
        return OfferedModel(text_field(model, "id"), is_retired=model.get("active") is False)

    def _files_named(self, name: str) -> Iterator[str]:
        for row in self._entries(self._client.files.list):
            if row.get("filename") == name:
                yield str(row.get("id"))

    def _entries(self, list_entries: Callable[..., Any], query: Mapping[str, object] | None = None) -> Iterator[Row]:
        # The SDK's listings have no parameter for a cursor and no field for the next one.
        def list_page(cursor: str | None) -> Any:
            extra = {**(query or {}), **({"cursor": cursor} if cursor else {})}
            return list_entries(**({"extra_query": extra} if extra else {}))

        for page in iterate_pages(list_page, _next_cursor):
            # A server in Go may write an empty list as null.
            is_empty = page.data is None and page.object == "list"
            for entry in [] if is_empty else page_entries(page.data):
                yield plain_object(entry)


def _next_cursor(page: Any, cursor: str | None) -> str | None:
    next_cursor = as_mapping(getattr(page, "paging", None)).get("next_cursor")
    return next_cursor if isinstance(next_cursor, str) and next_cursor and next_cursor != cursor else None
