"""The custom id of a request: written for every row of a batch, and read back from a batch that no ledger knows.

A row says by itself what it is about, in at most 64 characters of `[a-z0-9_]`, which every provider accepts:

    tagging       SUBMISSION_LEDGER_tNN_PALETTE_MODEL_PROMPT           57 characters
    refinement    SUBMISSION_LEDGER_rNN_PALETTE_MODEL_PROMPT_DIGEST    64 characters

`NN` is the analysis index. The others are the submission (16 characters), the id of the ledger (5), the id of the
palette (16), `model_digest` (4), the start of the prompt version (8), and the start of the hash in the consensus digest
that a refinement is based on (6). The submission comes first, because a lost Anthropic batch is found by it. The ids of
older batches are the submission and a row number, and say nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grabient_pipeline.providers.base import BatchIdentity

# As many as two decimal digits can name.
_ANALYSES: Final = 100
_MODEL_LENGTH: Final = 4
_PROMPT_LENGTH: Final = 8
_DIGEST_LENGTH: Final = 6
_LENGTHS: Final[Mapping[str, int]] = {"tagging": 57, "refinement": 64}
_STAGES: Final[Mapping[str, str]] = {stage[0]: stage for stage in _LENGTHS}
# Groups: submission, ledger, first letter of the stage, analysis index, palette, model, prompt, digest. Both Python and
# DuckDB read it.
CUSTOM_ID_PATTERN: Final = (
    "^([a-z2-7]{16})_([a-z0-9]{5})_([tr])([0-9]{2})_([a-z0-9]{16})_([a-z2-7]{4})_([0-9a-f]{8})(?:_([0-9a-f]{6}))?$"
)
_CUSTOM_ID: Final = re.compile(CUSTOM_ID_PATTERN)


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """What a custom id says about its request.

    `stage` is tagging or refinement, `model` a `model_digest`, `prompt` the first 8 hex digits of the prompt version.
    `digest`: the first 6 hex digits of the hash in the consensus digest behind a refinement; None for tagging.
    """

    submission: str
    ledger: str
    stage: str
    analysis_index: int
    palette_id: str
    model: str
    prompt: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class CustomIds:
    """The custom ids of one batch: what its rows have in common is joined once.

    `heads`: what precedes the palette, by analysis index. `palette_ids` and `tails`: by the palette's position;
    `tails` has one entry if all palettes share it.
    """

    heads: Sequence[str]
    palette_ids: Sequence[str]
    tails: Sequence[str]

    @classmethod
    def of(cls, identity: BatchIdentity, palette_ids: Sequence[str], bases: Sequence[str | None]) -> CustomIds:
        """Prepare the ids of a batch.

        Args:
            identity: the batch.
            palette_ids: the id of each palette, by position.
            bases: the consensus digest that each palette's request is based on; not used by tagging.
        """
        letter = identity.stage[0]
        start = f"{identity.submission}_{identity.ledger}_{letter}"
        provider, _, model = identity.model.partition("/")
        tail = f"_{model_digest(provider, model)}_{identity.prompt_version[:_PROMPT_LENGTH]}"
        tails = [f"{tail}_{_hash_of(basis)}" for basis in bases] if identity.stage == "refinement" else [tail]
        return cls([f"{start}{index:02d}_" for index in range(_ANALYSES)], palette_ids, tails)

    def render(self, positions: Sequence[int], analyses: Sequence[int]) -> Iterator[str]:
        """Yield the ids of requests, given the position and the analysis index of each."""
        heads, palette_ids, tails = self.heads, self.palette_ids, self.tails
        rows = zip(positions, analyses, strict=True)
        if len(tails) == 1:
            (tail,) = tails
            return (f"{heads[analysis]}{palette_ids[position]}{tail}" for position, analysis in rows)
        return (f"{heads[analysis]}{palette_ids[position]}{tails[position]}" for position, analysis in rows)


def new_submission() -> str:
    """Return a fresh token for a batch: 16 lower-case letters and digits, which every provider can carry."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def custom_id_length(stage: str) -> int:
    """Return how many characters the custom ids of a stage have."""
    return _LENGTHS[stage]


def model_digest(provider: str, model: str) -> str:
    """Return the four characters of `[a-z2-7]` that stand for a model, given the keys that the ledger has for it."""
    digest = hashlib.sha256(f"{provider}/{model}".encode()).digest()
    return base64.b32encode(digest)[:_MODEL_LENGTH].decode().lower()


def read_custom_id(text: str) -> RequestIdentity | None:
    """Return what a custom id says; None for one of an older batch or of another program."""
    match = _CUSTOM_ID.fullmatch(text)
    if match is None:
        return None
    submission, ledger, letter, analysis, palette_id, model, prompt, digest = match.groups()
    stage = _STAGES[letter]
    if len(text) != _LENGTHS[stage]:
        return None
    return RequestIdentity(submission, ledger, stage, int(analysis), palette_id, model, prompt, digest)


def _hash_of(basis: str | None) -> str:
    """Return the start of the hash in a consensus digest, which is the prompt version, a slash and the hash."""
    assert basis, "a refinement is based on a consensus"
    return basis.rpartition("/")[2][:_DIGEST_LENGTH]
