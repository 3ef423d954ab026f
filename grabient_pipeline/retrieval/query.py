"""Parses a search query into the words and the colours that are compared with palettes.

Scoring belongs to `ranking.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from grabient_pipeline.errors import SearchError
from grabient_pipeline.retrieval.colours import MAX_COLOURS, QueryColour, extract_hex_codes, find_named_colours
from grabient_pipeline.retrieval.words import content_words, split_words, stem

MAX_CHARACTERS: Final = 500
MAX_WORDS: Final = 32


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query: its content words, and its colours."""

    words: tuple[str, ...]
    colours: tuple[QueryColour, ...]

    @property
    def text(self) -> str:
        """The text to embed."""
        return " ".join(self.words)

    @property
    def stems(self) -> tuple[str, ...]:
        """The stem of each word."""
        return tuple(stem(word) for word in self.words)


def read_query(text: str) -> Query:
    """Parse a query.

    Raises:
        SearchError: The query is too long.
    """
    if len(text) > MAX_CHARACTERS:
        raise SearchError(f"the query has {len(text):,} characters; the limit is {MAX_CHARACTERS}")
    rest, by_code = extract_hex_codes(text)
    by_name = find_named_colours(split_words(rest))
    words = tuple(dict.fromkeys(content_words(rest)))[:MAX_WORDS]
    return Query(words, tuple(by_code + by_name)[:MAX_COLOURS])
