"""Groq's batch API: OpenAI's words, another listing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import groq

from grabient_pipeline.providers.base import CALL_TIMEOUT_SECONDS, tls_context
from grabient_pipeline.providers.chat_completions import CLOCK_MARGIN, ChatCompletionBatches
from grabient_pipeline.providers.transport.rows import Row, epoch_time, items, mapping, plain_object


class GroqBatches(ChatCompletionBatches):
    """Groq, through its SDK; `base_url` has no `/openai/v1`, the SDK adds it."""

    key = "groq"
    ask_path = "/openai/v1/chat/completions"

    def __init__(self, api_key: str, base_url: str) -> None:
        client = groq.Groq(
            api_key=api_key,
            base_url=base_url,
            timeout=CALL_TIMEOUT_SECONDS,
            http_client=groq.DefaultHttpxClient(verify=tls_context()),
        )
        super().__init__(client, api_key, base_url)

    def _batches_since(self, since: dt.datetime) -> Iterator[Row]:
        for row in self._pages(self._client.batches.list):
            created = epoch_time(row.get("created_at"))
            # No order is promised, so an old batch is passed over and does not end the listing.
            if created is None or created >= since - CLOCK_MARGIN:
                yield row

    def _files_named(self, name: str) -> Iterator[str]:
        for row in self._pages(self._client.files.list):
            if row.get("filename") == name:
                yield str(row.get("id"))

    def _pages(self, listing: Any) -> Iterator[Row]:
        # The SDK's listing knows no pages; the cursor comes as a field that it has no name for.
        cursor: str | None = None
        while True:
            page = listing(**({"extra_query": {"cursor": cursor}} if cursor else {}))
            for item in items(page.data):
                yield plain_object(item)
            following = mapping(getattr(page, "paging", None)).get("next_cursor")
            if not isinstance(following, str) or not following or following == cursor:
                return
            cursor = following
