"""OpenAI's batch API."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, ClassVar

from grabient_pipeline.http_environment import tls_context
from grabient_pipeline.providers.base import CALL_TIMEOUT_SECONDS, OfferedModel
from grabient_pipeline.providers.chat_completions import ChatCompletionBatches, chat_at_tier
from grabient_pipeline.providers.transport.rows import (
    Row,
    epoch_time,
    iterate_pages,
    next_page,
    page_entries,
    plain_object,
    read_day,
    text_field,
)

_PAGE_SIZE = 100


class OpenAIBatches(ChatCompletionBatches):
    """OpenAI, through its SDK; `base_url` ends in `/v1`."""

    key: ClassVar[str] = "openai"
    ask_path: ClassVar[str] = "/chat/completions"
    at_tier: ClassVar = staticmethod(chat_at_tier)

    def _open_client(self) -> Any:
        import openai

        return openai.OpenAI(
            api_key=self._connection.secret,
            base_url=self._connection.base_url,
            timeout=CALL_TIMEOUT_SECONDS,
            http_client=openai.DefaultHttpxClient(
                event_hooks={"response": self._clock.response_hooks}, verify=tls_context()
            ),
        )

    def _batches_since(self, earliest: dt.datetime | None) -> Iterator[Row]:
        for page in iterate_pages(self._list_page, self._next_cursor):
            for batch in page_entries(page.data):
                row = plain_object(batch)
                created = epoch_time(row.get("created_at"))
                if created is not None and earliest is not None and created < earliest:
                    return
                yield row

    def _list_page(self, after: str | None) -> Any:
        return self._client.batches.list(limit=_PAGE_SIZE, **({"after": after} if after else {}))

    def _next_cursor(self, page: Any, after: str | None) -> str | None:
        last_id = page.data[-1].id if page.data else getattr(page, "last_id", None)
        return next_page(self.key, page.has_more, last_id, after)

    def _models(self) -> Iterator[Row]:
        # The list has no pages.
        return map(plain_object, page_entries(self._client.models.list().data))

    @staticmethod
    def _read_model(model: Row) -> OfferedModel:
        ends_on, unreadable_end = read_day(model.get("shutdown_date"))
        return OfferedModel(text_field(model, "id"), ends_on, unreadable_end)

    def _files_named(self, name: str) -> Iterator[str]:
        for file in self._client.files.list(purpose="batch", order="desc", limit=1000):
            if file.filename == name:
                yield file.id
