"""The file of requests that a provider is sent, written as fast as the disk allows.

All requests of a batch differ in two places only, the custom id and what is said about the palette: the user's text, or
a picture and the text. One request is rendered in the provider's format and cut at these places, and the pieces are
written around the values. The result equals `orjson.dumps` of each request byte for byte, without rendering the prompt
and the schema a million times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from grabient_pipeline.batches.estimate import Sizes
from grabient_pipeline.batches.stages import Stage, Subject
from grabient_pipeline.providers.base import Framing, PromptPayload, RequestFormat
from grabient_pipeline.providers.catalogue import Model

_CUSTOM_ID_MARK = "\x00custom-id\x00"
_TEXT_MARK = "\x00text\x00"
_PICTURE_MARK = "\x00picture\x00"
_PIECES_PER_WRITE = 256


def json_text(text: str) -> bytes:
    """Return a text as it stands inside the quotes of a JSON string."""
    return orjson.dumps(text)[1:-1]


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """One rendered request of a model, cut where the custom id and the content belong.

    The content is the text, or the picture, `before_text` and the text: nothing that differs stands between these two.
    """

    before_custom_id: bytes
    before_content: bytes
    after_content: bytes
    framing: Framing
    before_text: bytes = b""

    @classmethod
    def of(cls, format: RequestFormat, model: Model, payload: PromptPayload) -> RequestTemplate:
        """Render a request in a provider's format and cut it."""
        picture = None if payload.picture_type is None else _PICTURE_MARK
        rendered = orjson.dumps(format.request(model, payload, _CUSTOM_ID_MARK, _TEXT_MARK, picture))
        before_custom_id, rest = rendered.split(json_text(_CUSTOM_ID_MARK))
        before_text, after_content = rest.split(json_text(_TEXT_MARK))
        if picture is None:
            return cls(before_custom_id, before_text, after_content, format.framing)
        before_content, before_text = before_text.split(json_text(picture))
        return cls(before_custom_id, before_content, after_content, format.framing, before_text)

    def content(self, text: bytes, picture: str) -> bytes:
        """Return what is said about a palette that has a picture.

        Args:
            text: as `json_text` returns it.
            picture: in base64.
        """
        return picture.encode("ascii") + self.before_text + text

    def line_bytes(self, custom_id_length: int) -> int:
        """Return the size of a request without its content, in bytes, including the separator to the next."""
        pieces = (self.before_custom_id, self.before_content, self.after_content, self.framing.separator)
        return custom_id_length + sum(map(len, pieces))

    def write(self, path: Path, requests: Iterable[tuple[str, str]], contents: Mapping[str, bytes]) -> None:
        """Write a file of (custom id, seed), with the content of each seed: `json_text` of its text, or `content`."""
        before_custom_id = self.framing.head + self.before_custom_id
        between = self.after_content + self.framing.separator + self.before_custom_id
        pieces: list[bytes] = []
        with path.open("wb") as file:
            for custom_id, seed in requests:
                pieces += (before_custom_id, custom_id.encode("ascii"), self.before_content, contents[seed])
                before_custom_id = between
                # Few large writes bypass the buffer: half the time of one write per piece.
                if len(pieces) >= _PIECES_PER_WRITE:
                    file.write(b"".join(pieces))
                    pieces.clear()
            file.write(b"".join((*pieces, self.after_content, self.framing.tail)))


def rendered_contents(
    template: RequestTemplate, stage: Stage, subjects: Mapping[str, Subject]
) -> tuple[dict[str, bytes], Sizes]:
    """Return what is said about palettes, by seed, and the sizes of their texts alone in bytes.

    A picture has a fixed number of tokens, whatever its size in bytes.
    """
    texts = {seed: json_text(text) for seed, text in stage.texts(subjects).items()}
    sizes = np.fromiter(map(len, texts.values()), dtype=np.int64, count=len(texts))
    for seed, picture in stage.pictures(subjects).items():
        texts[seed] = template.content(texts[seed], picture)
    return texts, sizes
