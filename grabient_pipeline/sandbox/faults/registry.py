"""The faults that can be armed: when they take effect, what they do, and their parameters.

Names, parameters and the words for calls are public: people and drills arm faults by them. What a fault does is
implemented where it happens (`batches/`, the other modules of this package, the gate in `app.py`, the providers), and
what is armed at the moment is in `armed.py`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

FaultScope = Literal[
    "call", "clock", "creation", "batch", "status", "list", "models", "cancel", "results", "download", "answer"
]
# In the order in which a batch meets them. The texts are the headings of docs/sandbox.md.
SCOPES: dict[FaultScope, str] = {
    "call": "any call",
    "clock": "the clock of the provider",
    "creation": "batch creation",
    "batch": "batches created while the fault is armed",
    "status": "the status of one batch, on every request for it",
    "list": "lists",
    "models": "the list of models",
    "cancel": "cancelling",
    "results": "the rows of downloaded results",
    "download": "the download of results",
    "answer": "ordinary calls and embeddings",
}

Call = Literal["creating", "uploading", "reading", "downloading", "cancelling", "asking", "embedding"]
CALLS: dict[Call, str] = {
    "creating": "batch creation",
    "uploading": "uploads",
    "reading": "states, lists and all other reads",
    "downloading": "results and other file contents",
    "cancelling": "cancelling and deleting",
    "asking": "ordinary calls to a model",
    "embedding": "calls for embeddings",
}
EVERY_CALL = "every"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault: its scope, its effect, its parameters with their defaults, and the providers it applies to."""

    scope: FaultScope
    description: str
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    # Whether it applies to every provider; otherwise only to those that declare it.
    universal: bool = True
    # Filled in when the providers are known.
    providers: tuple[str, ...] = ()


FAULT_KINDS: dict[str, FaultKind] = {
    "down": FaultKind("call", "calls fail with an error", {"status": 503, "calls": EVERY_CALL}),
    "hang": FaultKind(
        "call",
        "calls get no response; the connection is closed after this many seconds",
        {"seconds": 30.0, "calls": EVERY_CALL},
    ),
    "slow_calls": FaultKind(
        "call", "calls take this many seconds longer, as over a real network", {"seconds": 0.25, "calls": EVERY_CALL}
    ),
    "rate_limited": FaultKind(
        "call", "calls fail with 429, with a time to retry if one is given", {"retry_after": None, "calls": EVERY_CALL}
    ),
    "limit_rate": FaultKind(
        "call",
        "an enforced rate limit: calls above this number in this many seconds fail with 429 and the time to wait",
        {"requests": 60, "seconds": 60.0, "calls": "asking"},
    ),
    "skewed_clock": FaultKind(
        "clock",
        "every time that the provider states is off by this many seconds: those in documents, and the `Date` header; "
        "batches go on by the real clock, and no call uses up `times`",
        {"seconds": -7200.0},
    ),
    "refuse": FaultKind(
        "creation",
        "the batch is not created: an error response, with a time to retry if one is given",
        {"status": 429, "type": "", "message": "", "retry_after": None},
    ),
    "no_batch_access": FaultKind(
        "creation",
        "the batch is not created: the account has no access to batches; the wording is the sandbox's own, "
        "the status is the provider's likely one unless given",
        {"status": None},
    ),
    "create_then_drop": FaultKind(
        "creation",
        "the batch is created; the connection is closed without a response after this many seconds",
        {"seconds": 0.0},
    ),
    "create_then_500": FaultKind("creation", "the batch is created, but the response is an error", {"status": 500}),
    "create_then_timeout": FaultKind("creation", "the batch is created, but the response is late", {"seconds": 5.0}),
    "drop_then_create": FaultKind(
        "creation",
        "the connection is closed without a response; the batch is created this many seconds later",
        {"seconds": 1.0},
    ),
    "replayed_creation": FaultKind(
        "creation",
        "the response is the document of the newest earlier batch, if there is one; the new batch is created only with "
        "`created` true",
        {"created": False},
    ),
    "slow_batch": FaultKind("batch", "the batch takes this many seconds", {"seconds": 3600.0}),
    "expire": FaultKind("batch", "the batch expires with this share finished", {"share": 0.5}),
    "fail_batch": FaultKind(
        "batch",
        "the batch fails as a whole, for this reason",
        {"code": "token_limit_exceeded", "message": "Enqueued token limit reached.", "line": None},
        universal=False,
    ),
    "fail_rows": FaultKind(
        "batch",
        "this share of its requests fails; if all fail, OpenAI and Groq complete the batch without an output file",
        {"share": 1.0, "status": 500, "message": "The server had an error processing this request."},
    ),
    "hostile_words": FaultKind(
        "batch", "the words of its answers are SQL, HTML, terminal escapes and spreadsheet formulas"
    ),
    "status_zero_rows": FaultKind(
        "batch",
        "this many rows of its error file have status code 0 and no body, and are counted as completed",
        {"count": 1},
        universal=False,
    ),
    "stuck_finalizing": FaultKind(
        "batch",
        "the batch stays in finalizing, where cancelling is rejected, until it is ended through the control API",
        universal=False,
    ),
    "failed_generation": FaultKind(
        "batch",
        "this share of its requests is answered and billed, but the text of the answer comes inside an error, as JSON "
        "that was found invalid; with `readable` false the text is cut in its middle",
        {"share": 1.0, "readable": True},
        universal=False,
    ),
    "unknown_state": FaultKind("status", "the state is a word that no client knows", {"word": "paused"}),
    "batch_gone": FaultKind("status", "the batch is unknown, as if it had never been created"),
    "no_output_file": FaultKind("status", "the batch has ended but names no results"),
    "late_output_file": FaultKind(
        "status",
        "the batch has ended, with the right counts and its error file, but names no output file yet",
        universal=False,
    ),
    "nothing_counted": FaultKind("status", "the batch has ended but names no results and counts nothing"),
    "empty_file_ids": FaultKind(
        "status", "this value replaces file ids that would be null", {"value": {}}, universal=False
    ),
    "errors_as_list": FaultKind("status", "the reasons of a failure are a list instead of an object", universal=False),
    "no_counts": FaultKind("status", "the request counts are missing", universal=False),
    "counts_as_strings": FaultKind("status", "the request counts are strings, as Google's always are", universal=False),
    "foreign_results_url": FaultKind(
        "status", "results_url names another host", {"host": "results.invalid"}, universal=False
    ),
    "poisoned": FaultKind(
        "status",
        "errors of inline answers have details, which google-genai cannot read; lists contain such a batch "
        "of another client",
        universal=False,
    ),
    "results_gone": FaultKind(
        "status",
        "results are no longer kept: Anthropic archives them, a download fails with this status",
        {"status": 404},
    ),
    "listing_lag": FaultKind("list", "batches are listed only after this many seconds", {"seconds": 60.0}),
    "short_pages": FaultKind("list", "pages have at most this many entries, regardless of the request", {"size": 1}),
    "empty_page": FaultKind("list", "the second page is empty and announces more"),
    "models_gone": FaultKind(
        "models",
        "these models, named with spaces between them, are not listed; Anthropic lists them when retired models are "
        "asked for. Requests to them are answered all the same",
        {"models": ""},
    ),
    "models_deprecated": FaultKind(
        "models",
        "these models, named with spaces between them, are announced to end on this day; at Groq, which announces no "
        "day, they are inactive",
        {"models": "", "ends_on": None},
        universal=False,
    ),
    "cancel_then_500": FaultKind("cancel", "the batch is cancelled, but the response is an error", {"status": 500}),
    "cancel_too_late": FaultKind("cancel", "the batch ends at this moment, so that cancelling is rejected"),
    "cancel_keeps": FaultKind("cancel", "this share of the batch is finished, regardless of the time", {"share": 0.5}),
    "stuck_cancelling": FaultKind(
        "cancel",
        "the batch stays in cancelling, where cancelling again is rejected, until it is ended through the control API",
    ),
    "missing_rows": FaultKind("results", "the first rows are missing", {"count": 1}),
    "duplicate_rows": FaultKind("results", "the first rows are duplicated", {"count": 1}),
    "unknown_rows": FaultKind("results", "rows with custom ids that were never sent are added", {"count": 1}),
    "keyless_rows": FaultKind("results", "the first rows have no custom id or key", {"count": 1}),
    "garbage_rows": FaultKind("results", "lines that are not JSON are added", {"count": 1}),
    "crlf_lines": FaultKind("results", "lines end with CR LF"),
    "line_separators": FaultKind("results", "texts contain raw U+2028 and U+0085 in place of spaces between words"),
    "cut_download": FaultKind("download", "the connection breaks after this many bytes", {"bytes": 1000}),
    "no_content_type": FaultKind("download", "the response has no content type"),
    "short_download": FaultKind(
        "download",
        "the file has only this share of its lines, the first ones, and a content length that fits; with `whole_lines` "
        "false it also has half of the next line",
        {"share": 0.5, "whole_lines": True},
    ),
    "foreign_download": FaultKind(
        "download",
        "this page comes instead of the results, with status 200",
        {"media_type": "text/html", "body": "<html><body>Sign in</body></html>"},
    ),
    "slow_answers": FaultKind(
        "answer", "answers take this many seconds", {"seconds": 1.0, "calls": "asking embedding"}
    ),
    "answer_then_drop": FaultKind(
        "answer",
        "the call is answered and billed; the connection is closed without the answer after this many seconds",
        {"seconds": 0.0, "calls": "asking embedding"},
    ),
    "flex_full": FaultKind(
        "answer",
        "calls that ask for the service tier flex fail with 429 and are not billed: there is no room",
        {"retry_after": None},
        universal=False,
    ),
    "flex_refused": FaultKind(
        "answer",
        "calls that ask for the service tier flex are rejected with 400, as for a model without it",
        universal=False,
    ),
    "failed_generation_answer": FaultKind(
        "answer",
        "the call is answered and billed, but the text of the answer comes inside an error, as JSON that was found "
        "invalid; with `readable` false the text is cut in its middle",
        {"readable": True},
        universal=False,
    ),
}


def is_whole(value: Any, least: int = 1) -> bool:
    """Whether a value is a whole number of at least `least`; booleans are not numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any, most: float = float("inf")) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most


def _is_skew(value: Any) -> bool:
    # Thirty years either way, which every date format can hold.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e9


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_media_type(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w.+-]+/[\w.+-]+", value, re.ASCII) is not None


def _is_calls(value: Any) -> bool:
    return isinstance(value, str) and (
        value == EVERY_CALL or (bool(value.split()) and set(value.split()) <= CALLS.keys())
    )


def _is_day(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) is not None


def _is_empty(value: Any) -> bool:
    return value == "" or (isinstance(value, (dict, list)) and not cast("dict[str, Any] | list[Any]", value))


# What a parameter accepts; it has the same meaning in every fault that has it, unless the fault is named with it.
PARAMETER_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "body": (lambda value: isinstance(value, str), "text"),
    "bytes": (lambda value: is_whole(value, 0), "a whole number"),
    "calls": (_is_calls, f"{EVERY_CALL} or a list of {' '.join(CALLS)}, separated by spaces"),
    "code": (lambda value: isinstance(value, str), "a word"),
    "count": (is_whole, "a whole number of at least 1"),
    "created": (_is_flag, "true or false"),
    "ends_on": (_is_day, "a day such as 2027-01-31"),
    "host": (lambda value: isinstance(value, str) and value != "", "a host name"),
    "line": (is_whole, "a whole number of at least 1"),
    "media_type": (_is_media_type, "a media type"),
    "message": (lambda value: isinstance(value, str), "text"),
    "models": (lambda value: isinstance(value, str), "names separated by spaces"),
    "readable": (_is_flag, "true or false"),
    "requests": (is_whole, "a whole number of at least 1"),
    "retry_after": (_is_number, "a number of seconds"),
    "seconds": (_is_number, "a number of seconds"),
    "share": (lambda value: _is_number(value, 1.0), "a number from 0 to 1"),
    "skewed_clock.seconds": (_is_skew, "a number of seconds from -1e9 to 1e9"),
    "size": (is_whole, "a whole number of at least 1"),
    "status": (lambda value: is_whole(value, 400) and value < 600, "an HTTP status from 400 to 599"),
    "type": (lambda value: isinstance(value, str), "a word"),
    "value": (_is_empty, 'an empty value: {}, [] or ""'),
    "whole_lines": (_is_flag, "true or false"),
    "word": (lambda value: isinstance(value, str) and value != "", "a word"),
}
