"""Groq's batch API: OpenAI's format with listings of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from grabient_pipeline.providers.base import CALL_TIMEOUT_SECONDS, CLOCK_MARGIN, tls_context
from grabient_pipeline.providers.chat_completions import ChatCompletionBatches
from grabient_pipeline.providers.transport.rows import Row, as_list, as_mapping, epoch_time, iterate_pages, plain_object


class GroqBatches(ChatCompletionBatches):
    """Groq, through its SDK; `base_url` has no `/openai/v1`, which the SDK adds."""

    key: ClassVar[str] = "groq"
    ask_path: ClassVar[str] = "/openai/v1/chat/completions"

    def __init__(self, api_key: str, base_url: str) -> None:
        # Not at the top: rendering requests needs no SDK, and importing it takes a second.
        import groq

        client = groq.Groq(
            api_key=api_key,
            base_url=base_url,
            timeout=CALL_TIMEOUT_SECONDS,
            http_client=groq.DefaultHttpxClient(verify=tls_context()),
        )
        super().__init__(client, api_key, base_url)

    def _batches_since(self, since: dt.datetime) -> Iterator[Row]:
        for row in self._entries(self._client.batches.list):
            created = epoch_time(row.get("created_at"))
            # The order is not documented, so an old batch is skipped and does not end the listing.
            if created is None or created >= since - CLOCK_MARGIN:
                yield row

    def _files_named(self, name: str) -> Iterator[str]:
        for row in self._entries(self._client.files.list):
            if row.get("filename") == name:
                yield str(row.get("id"))

    def _entries(self, list_entries: Callable[..., Any]) -> Iterator[Row]:
        # The SDK's listings have no parameter for a cursor and no field for the next one.
        def list_page(cursor: str | None) -> Any:
            return list_entries(**({"extra_query": {"cursor": cursor}} if cursor else {}))

        for page in iterate_pages(list_page, _next_cursor):
            for entry in as_list(page.data):
                yield plain_object(entry)


def _next_cursor(page: Any, cursor: str | None) -> str | None:
    next_cursor = as_mapping(getattr(page, "paging", None)).get("next_cursor")
    return next_cursor if isinstance(next_cursor, str) and next_cursor and next_cursor != cursor else None
