"""Counting the tokens of request files, for the queue.

The rule is the sandbox's own and has nothing in common with the pipeline's estimates. A token is 2.5 digits (real
vocabularies have numbers of up to three), 1.5 punctuation marks, 4.5 letters or spaces, or 2 bytes of any other
character. All of a request counts after its custom id, because its schema costs tokens too. A picture counts by the
rule of its model, whatever its base64 looks like.
"""

import re
from collections.abc import Callable

from grabient_pipeline.sandbox.pictures import PictureTokens, without_pictures

_PER_DIGIT, _PER_MARK, _PER_LETTER, _PER_OTHER = 1 / 2.5, 1 / 1.5, 1 / 4.5, 1 / 2
_MARKS = rb"!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~" + b"\\"
_DIGITS = b"0123456789"
_NOT_ASCII = bytes(range(128, 256))
_BLOCK = 1 << 18
# After so many lines with another beginning or end, the lines of a file have too little in common.
_MOST_SHARES = 40
_OUTPUT_LIMIT = re.compile(rb'"(?:max_completion_tokens|max_tokens|maxOutputTokens)"\s*:\s*(\d{1,9})')


def tokens_of(text: bytes) -> float:
    """The tokens of a text, by the rule of this module."""
    digits = len(text) - len(text.translate(None, _DIGITS))
    marks = len(text) - len(text.translate(None, _MARKS))
    other = 0 if text.isascii() else len(text) - len(text.translate(None, _NOT_ASCII))
    letters = len(text) - digits - marks - other
    return digits * _PER_DIGIT + marks * _PER_MARK + letters * _PER_LETTER + other * _PER_OTHER


class TokenCounter:
    """Counts the tokens of the requests of a file, line by line.

    Most requests of a file have the same beginning and the same end, around what a user says. What is the same is
    counted once and only compared afterwards.

    Args:
        counts_output: Whether the output limit of a request counts as well.
        picture_rule: Returns how many tokens a picture is for the model of a line; None if it takes none.
    """

    def __init__(
        self,
        *,
        counts_output: bool = False,
        picture_rule: Callable[[bytes], PictureTokens | None] = lambda line: None,
    ) -> None:
        self._counts_output = counts_output
        self._picture_rule = picture_rule
        self._first: bytes | None = None
        self._head = self._tail = b""
        self._tokens_shared = 0.0
        self._shares = 0
        self._tokens = 0.0
        self._bodies: list[bytes] = []
        self._size = 0

    @property
    def total(self) -> int:
        """The tokens of all lines so far."""
        self._count_bodies()
        return round(self._tokens)

    def add(self, line: bytes, start: int = 0) -> None:
        """Count one request, from this position of its line on."""
        line, picture_tokens = without_pictures(line[start:], self._picture_rule(line))
        self._tokens += picture_tokens
        start = 0
        head, tail = self._head, self._tail
        fits = line.startswith(head, start) and line.endswith(tail) and len(line) - start >= len(head) + len(tail)
        if self._shares < _MOST_SHARES and not (fits and head):
            self._share(line[start:])
            head, tail = self._head, self._tail
        body = line[start + len(head) : len(line) - len(tail)]
        self._tokens += self._tokens_shared
        if self._counts_output:
            self._tokens += _output_limit(line)
        self._bodies.append(body)
        self._size += len(body)
        if self._size > _BLOCK:
            self._count_bodies()

    def _share(self, text: bytes) -> None:
        """Note what this request has in common with those before it."""
        self._shares += 1
        if self._first is None:
            self._first = text
            return
        if self._shares == _MOST_SHARES:
            self._head = self._tail = b""
        elif self._shares == 2:
            self._head = _common(self._first, text)
            longest = min(len(self._first), len(text)) - len(self._head)
            self._tail = _common(self._first[::-1], text[::-1])[:longest][::-1]
        else:
            self._head = _common(self._head, text)
            self._tail = _common(self._tail[::-1], text[::-1])[: len(text) - len(self._head)][::-1]
        self._tokens_shared = tokens_of(self._head + self._tail)

    def _count_bodies(self) -> None:
        self._tokens += tokens_of(b"".join(self._bodies))
        self._bodies.clear()
        self._size = 0


def _common(one: bytes, other: bytes) -> bytes:
    """The longest common beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return one[:low]


def _output_limit(line: bytes) -> int:
    match = _OUTPUT_LIMIT.search(line)
    return int(match.group(1)) if match else 0
