"""What providers say when a batch does not fit into the queue of its account.

Such a refusal is no failure: nothing was run, and there will be room when other batches have ended. It comes as the
error of a batch that failed at once (OpenAI, Groq), or as a 429 to the creation (Anthropic, Google). A rate limit,
which counts calls or tokens by the minute, is something else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from grabient_pipeline.errors import ProviderBusy, ProviderError

QueueKind = Literal["tokens", "requests", "jobs"]


@dataclass(frozen=True, slots=True)
class QueueRefusal:
    """What there is too much of, and the limit, if the provider names it.

    A limit of 0 is that of an account that has no queue at all: waiting does not help.
    """

    kind: QueueKind
    limit: int | None = None


# Codes of errors, which begin with them; also with something before: `batch_token_limit_exceeded`.
_CODES: Final[tuple[tuple[str, QueueKind], ...]] = (
    ("token_limit_exceeded", "tokens"),
    ("request_limit_exceeded", "requests"),
    ("batch_limit_exceeded", "jobs"),
)
# google.rpc.Code of RESOURCE_EXHAUSTED, with which a batch of Google fails.
_GOOGLE_EXHAUSTED: Final = "8:"
_JOBS: Final = re.compile(r"\bconcurrent (?:batch|job)|\btoo many (?:\w+ )?(?:batches|jobs)\b")
_REQUESTS: Final = re.compile(r"\benqueued requests?\b|\bbatch requests\b.{0,40}\bqueue\b")
# Google names neither what is full nor a limit. OpenAI has the same sentence for an account without money.
_GOOGLE: Final = re.compile(r"\bexceeded your current quota\b.*\bai\.google\.dev\b", re.DOTALL)

# Digits in one piece (2000000) or in groups (2,000,000; also with points, blanks, apostrophes or underscores).
_NUMBER: Final = r"(?<![\w.,-])(\d+(?:[,.'’_ \u00a0\u202f]\d+)*)"
_UNIT: Final = r"\s?(k|thousand|m|mn|million|b|bn|billion)?(?![\w])"
_COUNTED: Final = re.compile(
    rf"{_NUMBER}{_UNIT}\s+(?:(?:enqueued|batch|concurrent|pending|active|queued|prompt)\s+)+(?:tokens|requests|jobs|batches)"
)
_NAMED: Final = re.compile(rf"\blimit(?:\s+(?:is|of|was))?\s*[:=]?\s*{_NUMBER}{_UNIT}")
_DECIMAL: Final = re.compile(r"\d+[,.]\d+")
_GROUPS: Final = re.compile(r"\d{1,3}([,.'’_ \u00a0\u202f])\d{3}(?:\1\d{3})*")
_FACTORS: Final = {"k": 10**3, "t": 10**3, "m": 10**6, "b": 10**9}
# What is longer says no more.
_LONGEST: Final = 2000
# Above this, it is no figure of a provider.
_HIGHEST: Final = 10**15


def queue_refusal(error: str | ProviderError | None) -> QueueRefusal | None:
    """Return what a refusal for want of room says; None if the error is anything else.

    Args:
        error: The error of a batch as `BatchState.error` has it, `code: message`, or an exception of a creation.
    """
    if error is None or (isinstance(error, ProviderError) and not isinstance(error, ProviderBusy)):
        return None
    text = str(error)[:_LONGEST].casefold()
    kind = _kind(text)
    return None if kind is None else QueueRefusal(kind, _limit(text))


def _kind(text: str) -> QueueKind | None:
    code = text.partition(":")[0]
    for word, kind in _CODES:
        if text.startswith(word) or f"_{word}" in code:
            return "jobs" if _JOBS.search(text) else kind
    if _JOBS.search(text):
        return "jobs"
    if _REQUESTS.search(text):
        return "requests"
    if "enqueued" in text or text.startswith(_GOOGLE_EXHAUSTED) or _GOOGLE.search(text):
        return "tokens"
    return None


def _limit(text: str) -> int | None:
    found = _COUNTED.search(text) or _NAMED.search(text)
    if found is None:
        return None
    digits, unit = found.groups()
    # Before a unit, a comma or a point separates decimals.
    if unit and _DECIMAL.fullmatch(digits):
        number = float(digits.replace(",", "."))
    elif digits.isdigit() or _GROUPS.fullmatch(digits):
        number = float(re.sub(r"\D", "", digits))
    else:
        return None
    number *= _FACTORS[unit[0]] if unit else 1
    return round(number) if number <= _HIGHEST else None
