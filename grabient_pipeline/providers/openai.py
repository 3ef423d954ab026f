"""OpenAI's batch API."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import openai

from grabient_pipeline.providers.base import CALL_TIMEOUT_SECONDS, tls_context
from grabient_pipeline.providers.chat_completions import CLOCK_MARGIN, ChatCompletionBatches
from grabient_pipeline.providers.transport.rows import Row, epoch_time, following, plain_object

_PAGE = 100


class OpenAIBatches(ChatCompletionBatches):
    """OpenAI, through its SDK; `base_url` ends in `/v1`."""

    key = "openai"
    ask_path = "/chat/completions"

    def __init__(self, api_key: str, base_url: str) -> None:
        client = openai.OpenAI(
            api_key=api_key,
            base_url=base_url,
            timeout=CALL_TIMEOUT_SECONDS,
            http_client=openai.DefaultHttpxClient(verify=tls_context()),
        )
        super().__init__(client, api_key, base_url)

    def _batches_since(self, since: dt.datetime) -> Iterator[Row]:
        after: str | None = None
        while True:
            page = self._client.batches.list(limit=_PAGE, **({"after": after} if after else {}))
            for batch in page.data:
                row = plain_object(batch)
                created = epoch_time(row.get("created_at"))
                if created is not None and created < since - CLOCK_MARGIN:
                    return
                yield row
            # Not the SDK's own paging: that takes an empty page for the last one.
            last = page.data[-1].id if page.data else getattr(page, "last_id", None)
            after = following(self.key, page.has_more, last, after)
            if after is None:
                return

    def _files_named(self, name: str) -> Iterator[str]:
        for file in self._client.files.list(purpose="batch", order="desc", limit=1000):
            if file.filename == name:
                yield file.id
