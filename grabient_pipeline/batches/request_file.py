"""The file of requests that a provider is sent, written as fast as the disk allows.

All requests of a batch differ in two places only, the custom id and the user's text. One request is rendered in the
provider's format and cut at these places, and the pieces are written around the values. The result equals
`orjson.dumps` of each request byte for byte, without rendering the prompt and the schema a million times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from grabient_pipeline.providers.base import Framing, PromptPayload, RequestFormat
from grabient_pipeline.providers.catalogue import Model

_CUSTOM_ID_MARK = "\x00custom-id\x00"
_TEXT_MARK = "\x00text\x00"
_PIECES_PER_WRITE = 256


def json_text(text: str) -> bytes:
    """Return a text as it stands inside the quotes of a JSON string."""
    return orjson.dumps(text)[1:-1]


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """One rendered request of a model, cut where the custom id and the text belong."""

    before_custom_id: bytes
    before_text: bytes
    after_text: bytes
    framing: Framing

    @classmethod
    def of(cls, format: RequestFormat, model: Model, payload: PromptPayload) -> RequestTemplate:
        """Render a request in a provider's format and cut it."""
        rendered = orjson.dumps(format.request(model, payload, _CUSTOM_ID_MARK, _TEXT_MARK))
        before_custom_id, rest = rendered.split(json_text(_CUSTOM_ID_MARK))
        before_text, after_text = rest.split(json_text(_TEXT_MARK))
        return cls(before_custom_id, before_text, after_text, format.framing)

    def line_bytes(self, custom_id_length: int) -> int:
        """Return the size of a request without its text, in bytes, including the separator to the next."""
        pieces = (self.before_custom_id, self.before_text, self.after_text, self.framing.separator)
        return custom_id_length + sum(map(len, pieces))

    def write(self, path: Path, requests: Iterable[tuple[str, str]], texts: Mapping[str, bytes]) -> None:
        """Write a file of (custom id, seed), with the text of each seed as `json_text` returns it."""
        before_custom_id = self.framing.head + self.before_custom_id
        between = self.after_text + self.framing.separator + self.before_custom_id
        pieces: list[bytes] = []
        with path.open("wb") as file:
            for custom_id, seed in requests:
                pieces += (before_custom_id, custom_id.encode("ascii"), self.before_text, texts[seed])
                before_custom_id = between
                # Few large writes bypass the buffer: half the time of one write per piece.
                if len(pieces) >= _PIECES_PER_WRITE:
                    file.write(b"".join(pieces))
                    pieces.clear()
            file.write(b"".join((*pieces, self.after_text, self.framing.tail)))
