"""OpenAI's batch API."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, ClassVar

from grabient_pipeline.providers.base import CALL_TIMEOUT_SECONDS, CLOCK_MARGIN, tls_context
from grabient_pipeline.providers.chat_completions import ChatCompletionBatches
from grabient_pipeline.providers.transport.rows import Row, epoch_time, iterate_pages, next_page, plain_object

_PAGE_SIZE = 100


class OpenAIBatches(ChatCompletionBatches):
    """OpenAI, through its SDK; `base_url` ends in `/v1`."""

    key: ClassVar[str] = "openai"
    ask_path: ClassVar[str] = "/chat/completions"

    def __init__(self, api_key: str, base_url: str) -> None:
        # Not at the top: rendering requests needs no SDK, and importing it takes a second.
        import openai

        client = openai.OpenAI(
            api_key=api_key,
            base_url=base_url,
            timeout=CALL_TIMEOUT_SECONDS,
            http_client=openai.DefaultHttpxClient(verify=tls_context()),
        )
        super().__init__(client, api_key, base_url)

    def _batches_since(self, since: dt.datetime) -> Iterator[Row]:
        for page in iterate_pages(self._list_page, self._next_cursor):
            for batch in page.data:
                row = plain_object(batch)
                created = epoch_time(row.get("created_at"))
                if created is not None and created < since - CLOCK_MARGIN:
                    return
                yield row

    def _list_page(self, after: str | None) -> Any:
        return self._client.batches.list(limit=_PAGE_SIZE, **({"after": after} if after else {}))

    def _next_cursor(self, page: Any, after: str | None) -> str | None:
        last_id = page.data[-1].id if page.data else getattr(page, "last_id", None)
        return next_page(self.key, page.has_more, last_id, after)

    def _files_named(self, name: str) -> Iterator[str]:
        for file in self._client.files.list(purpose="batch", order="desc", limit=1000):
            if file.filename == name:
                yield file.id
