"""Misbehaviour on demand: what can go wrong between a client and a provider, armed by name.

A fault is armed for one provider or all of them, for a number of times or until it is disarmed, with its parameters.
What it does stands where it happens (`creating.py`, `cancelling.py`, `spoiling.py`, `desk.py`, `context.py`, the gate
in `app.py`, the providers' modules and their rows), which ask `Faults` at their moment.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from grabient_pipeline.sandbox.abilities import PROVIDERS, Provider
from grabient_pipeline.sandbox.documents import as_object

Moment = Literal["call", "creation", "batch", "status", "list", "cancel", "results", "download", "answer"]
# In the order in which a batch meets them; what people read.
MOMENTS: dict[Moment, str] = {
    "call": "any call",
    "creation": "the creation of a batch",
    "batch": "batches that are made while it is armed",
    "status": "what is told of one batch, each time it is asked for",
    "list": "lists",
    "cancel": "the wish to cancel",
    "results": "the rows of downloaded results",
    "download": "the download of results",
    "answer": "ordinary calls and embeddings",
}

Call = Literal["creating", "uploading", "reading", "downloading", "cancelling", "asking", "embedding"]
CALLS: dict[Call, str] = {
    "creating": "the creation of a batch",
    "uploading": "uploads",
    "reading": "states, lists and whatever else is only looked at",
    "downloading": "results and other contents of files",
    "cancelling": "cancelling and deleting",
    "asking": "ordinary calls to a model",
    "embedding": "calls for embeddings",
}
_EVERY = "every"


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of fault: when it strikes, what it does, its parameters with their defaults, at whom it can happen."""

    moment: Moment
    description: str
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    providers: tuple[Provider, ...] = PROVIDERS


_FILES: tuple[Provider, ...] = ("openai", "groq")
_COUNTED: tuple[Provider, ...] = ("openai", "groq", "google")

FAULTS: dict[str, Kind] = {
    # Any call.
    "down": Kind("call", "calls are answered with an error", {"status": 503, "calls": _EVERY}),
    "hang": Kind(
        "call", "calls are not answered; the connection is closed after so long", {"seconds": 30.0, "calls": _EVERY}
    ),
    "rate_limited": Kind(
        "call",
        "calls are answered with 429, which says when to come again if seconds are given",
        {"retry_after": None, "calls": _EVERY},
    ),
    "limit_rate": Kind(
        "call",
        "a limit that is kept: more calls than so many in so many seconds are answered with 429 and the time to wait",
        {"requests": 60, "seconds": 60.0, "calls": "asking"},
    ),
    # Creation.
    "refuse": Kind(
        "creation",
        "the batch is not made: an error answer, which says when to come again if seconds are given",
        {"status": 429, "type": "", "message": "", "retry_after": None},
    ),
    "no_batch_access": Kind(
        "creation",
        "the batch is not made: the account has no access to batches; the wording is the sandbox's own, the status "
        "the provider's likely one unless it is given",
        {"status": None},
    ),
    "create_then_drop": Kind(
        "creation",
        "the batch is made, then, after so long, the connection is closed without an answer",
        {"seconds": 0.0},
    ),
    "create_then_500": Kind("creation", "the batch is made, then the answer is an error", {"status": 500}),
    "create_then_timeout": Kind("creation", "the batch is made, its answer comes late", {"seconds": 5.0}),
    "drop_then_create": Kind(
        "creation",
        "the connection is closed without an answer, and only after so long the batch is made all the same",
        {"seconds": 1.0},
    ),
    # A batch's life.
    "slow_batch": Kind("batch", "it takes so many seconds", {"seconds": 3600.0}),
    "expire": Kind("batch", "it expires with this share finished", {"share": 0.5}),
    "fail_batch": Kind(
        "batch",
        "it fails as a whole, for this reason",
        {"code": "token_limit_exceeded", "message": "Enqueued token limit reached.", "line": None},
        _COUNTED,
    ),
    "fail_rows": Kind(
        "batch",
        "this share of its requests fails; with all of them, OpenAI and Groq complete it without an output file",
        {"share": 1.0, "status": 500, "message": "The server had an error processing this request."},
    ),
    "hostile_words": Kind(
        "batch", "the words of its answers are SQL, HTML, terminal escapes and formulas of spreadsheets"
    ),
    "status_zero_rows": Kind(
        "batch",
        "so many rows stand in its error file with status code 0 and no body, and are counted as completed",
        {"count": 1},
        ("openai",),
    ),
    # What is told of a batch.
    "unknown_state": Kind("status", "its state is a word that no client knows", {"word": "paused"}),
    "batch_gone": Kind("status", "it is not known any more, as if it had never been made"),
    "no_output_file": Kind("status", "it has ended and names no results"),
    "empty_file_ids": Kind("status", "this stands where a file's id would be null", {"value": {}}, _FILES),
    "errors_as_list": Kind("status", "the reasons of a failure are a list rather than an object", {}, _FILES),
    "no_counts": Kind("status", "the counts of its requests are missing", {}, _COUNTED),
    "counts_as_strings": Kind(
        "status", "the counts of its requests are strings, as Google's always are", {}, ("anthropic", "openai", "groq")
    ),
    "foreign_results_url": Kind(
        "status", "results_url names another host", {"host": "results.invalid"}, ("anthropic",)
    ),
    "poisoned": Kind(
        "status",
        "errors of inline answers have details, which google-genai cannot read; lists hold such a batch of somebody "
        "else's",
        {},
        ("google",),
    ),
    "results_gone": Kind(
        "status",
        "results are no longer kept: Anthropic's are archived, a download answers this status",
        {"status": 404},
    ),
    # Lists.
    "listing_lag": Kind("list", "batches are listed only when they are so many seconds old", {"seconds": 60.0}),
    "short_pages": Kind("list", "pages are no longer than this, whatever was asked for", {"size": 1}),
    "empty_page": Kind("list", "the second page is empty, and says that there is more"),
    # Cancelling.
    "cancel_then_500": Kind("cancel", "the batch is being cancelled, but the answer is an error", {"status": 500}),
    "cancel_too_late": Kind("cancel", "the batch ends at this very moment, so that the wish is refused"),
    "cancel_keeps": Kind("cancel", "this share of the batch has been finished, whatever the time", {"share": 0.5}),
    # Rows of results.
    "missing_rows": Kind("results", "the first rows are left out", {"count": 1}),
    "duplicate_rows": Kind("results", "the first rows come twice", {"count": 1}),
    "unknown_rows": Kind("results", "rows for custom ids that were never sent are added", {"count": 1}),
    "keyless_rows": Kind("results", "the first rows have no custom id or key", {"count": 1}),
    "garbage_rows": Kind("results", "lines that are not JSON are added", {"count": 1}),
    "crlf_lines": Kind("results", "lines end with CR LF"),
    "line_separators": Kind(
        "results", "U+2028 and U+0085 stand raw in the texts, in the place of spaces between words"
    ),
    # Downloads.
    "cut_download": Kind("download", "the connection breaks after so many bytes", {"bytes": 1000}),
    "no_content_type": Kind("download", "the answer does not say of what type it is"),
    # Ordinary calls.
    "slow_answers": Kind("answer", "answers take so many seconds", {"seconds": 1.0, "calls": "asking embedding"}),
    "answer_then_drop": Kind(
        "answer",
        "the call is answered and billed, then, after so long, the connection is closed without the answer",
        {"seconds": 0.0, "calls": "asking embedding"},
    ),
}


class UnknownFaultError(ValueError):
    """A fault, provider or parameter that does not exist, or a value that makes no sense."""


@dataclass(slots=True)
class Fault:
    """An armed fault."""

    name: str
    provider: Provider | None
    times: int | None
    parameters: dict[str, Any]
    # When calls passed that are limited, a provider at a time.
    passed: dict[Provider, deque[float]] = field(default_factory=dict[Provider, deque[float]])

    def __getitem__(self, parameter: str) -> Any:
        return self.parameters[parameter]

    def strikes(self, provider: Provider) -> bool:
        """Whether it can happen to a call of this provider."""
        return self.provider in (None, provider) and provider in FAULTS[self.name].providers

    def concerns(self, call: Call) -> bool:
        """Whether it is armed for this sort of call."""
        wanted = self.parameters["calls"]
        return wanted == _EVERY or call in wanted.split()

    def document(self) -> dict[str, Any]:
        """What people are told of it."""
        return {"name": self.name, "provider": self.provider, "times": self.times, "parameters": self.parameters}


class Faults:
    """The armed faults, in the order in which they were armed."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, name: str, provider: str | None = None, times: int | None = None, **parameters: Any) -> Fault:
        """Arm a fault for one provider or, with None, all; for so many times or, with None, until disarmed."""
        return self.arm_all([{"name": name, "provider": provider, "times": times, **parameters}])[0]

    def arm_all(self, wanted: Any) -> list[Fault]:
        """Arm what a JSON document describes, one fault or a list of them: all of it or, if one is wrong, nothing."""
        documents = cast(list[Any], wanted) if isinstance(wanted, list) else [wanted]
        faults = [self._described(document) for document in documents]
        with self._lock:
            self._armed.extend(faults)
        return faults

    @staticmethod
    def _described(document: Any) -> Fault:
        parameters = dict(as_object(document))
        if not isinstance(parameters.get("name"), str):
            raise UnknownFaultError(f"a fault is an object with a name, not {document!r}")
        name: str = parameters.pop("name")
        provider, times = parameters.pop("provider", None), parameters.pop("times", None)
        kind = FAULTS.get(name)
        if kind is None:
            raise UnknownFaultError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
        known: Provider | None = next((each for each in PROVIDERS if each == provider), None)
        if provider is not None and known is None:
            raise UnknownFaultError(f"no provider {provider!r}; there are {', '.join(PROVIDERS)}")
        if known is not None and known not in kind.providers:
            raise UnknownFaultError(f"{name} does not happen at {known}, only at {', '.join(kind.providers)}")
        if times is not None and not _whole(times):
            raise UnknownFaultError(f"times has to be a whole number from 1 on, not {times!r}")
        strangers = parameters.keys() - kind.parameters.keys()
        if strangers:
            raise UnknownFaultError(f"{name} has no parameter {', '.join(sorted(strangers))}")
        for parameter, value in parameters.items():
            fits, what = _VALUES[parameter]
            optional = value is None and kind.parameters[parameter] is None
            if not optional and not fits(value):
                raise UnknownFaultError(f"{parameter} of {name} has to be {what}, not {value!r}")
        return Fault(name, known, times, {**kind.parameters, **parameters})

    def disarm(self) -> None:
        """Behave again."""
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[Fault]:
        with self._lock:
            return list(self._armed)

    def take(self, name: str, provider: Provider) -> Fault | None:
        """The fault of this name if it strikes now; one of its times is used up."""
        return self._take(lambda fault: fault.name == name and fault.strikes(provider))

    def take_first(self, moment: Moment, provider: Provider) -> Fault | None:
        """The first fault that strikes at this moment; one of its times is used up."""
        return self._take(lambda fault: FAULTS[fault.name].moment == moment and fault.strikes(provider))

    def take_for(self, name: str, provider: Provider, call: Call) -> Fault | None:
        """The fault of this name if it strikes a call of this sort now; one of its times is used up."""
        return self._take(lambda fault: fault.name == name and fault.strikes(provider) and fault.concerns(call))

    def take_call(self, provider: Provider, call: Call) -> tuple[Fault, float | None] | None:
        """The first fault that strikes a call before it is looked at, and after how many seconds it may come again."""
        if not self._armed:
            return None
        with self._lock:
            for fault in self._armed:
                if FAULTS[fault.name].moment != "call" or not fault.strikes(provider) or not fault.concerns(call):
                    continue
                wait = fault.parameters.get("retry_after")
                if fault.name == "limit_rate":
                    wait = _wait(fault, provider)
                    if wait is None:
                        continue
                self._use(fault)
                return fault, wait
        return None

    def take_all(self, moment: Moment, provider: Provider) -> list[Fault]:
        """Every fault that strikes at this moment."""
        with self._lock:
            struck = [fault for fault in self._armed if FAULTS[fault.name].moment == moment and fault.strikes(provider)]
            for fault in struck:
                self._use(fault)
        return struck

    def _take(self, wanted: Callable[[Fault], bool]) -> Fault | None:
        # The usual case costs nothing.
        if not self._armed:
            return None
        with self._lock:
            fault = next((each for each in self._armed if wanted(each)), None)
            if fault is not None:
                self._use(fault)
        return fault

    def _use(self, fault: Fault) -> None:
        if fault.times is None:
            return
        fault.times -= 1
        if fault.times <= 0:
            self._armed.remove(fault)


def _wait(fault: Fault, provider: Provider) -> float | None:
    """Let a call pass and note it, or say after how many seconds there will be room for it."""
    moment = time.monotonic()
    passed = fault.passed.setdefault(provider, deque())
    while passed and passed[0] <= moment - fault["seconds"]:
        passed.popleft()
    if len(passed) < fault["requests"]:
        passed.append(moment)
        return None
    return passed[0] + fault["seconds"] - moment


def _whole(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: Any, most: float = float("inf")) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most


def _are_calls(value: Any) -> bool:
    return isinstance(value, str) and (value == _EVERY or (bool(value.split()) and set(value.split()) <= CALLS.keys()))


def _is_empty(value: Any) -> bool:
    return value == "" or (isinstance(value, (dict, list)) and not cast("dict[str, Any] | list[Any]", value))


# What may stand in a parameter, which means the same in every fault that has it.
_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "bytes": (lambda value: _whole(value, 0), "a whole number"),
    "calls": (_are_calls, f"{_EVERY} or some of {' '.join(CALLS)}, with spaces between"),
    "code": (lambda value: isinstance(value, str), "a word"),
    "count": (_whole, "a whole number from 1 on"),
    "host": (lambda value: isinstance(value, str) and value != "", "a host's name"),
    "line": (_whole, "a whole number from 1 on"),
    "message": (lambda value: isinstance(value, str), "text"),
    "requests": (_whole, "a whole number from 1 on"),
    "retry_after": (_number, "a number of seconds"),
    "seconds": (_number, "a number of seconds"),
    "share": (lambda value: _number(value, 1.0), "a number from 0 to 1"),
    "size": (_whole, "a whole number from 1 on"),
    "status": (lambda value: _whole(value, 400) and value < 600, "an HTTP status from 400 to 599"),
    "type": (lambda value: isinstance(value, str), "a word"),
    "value": (_is_empty, 'something empty: {}, [] or ""'),
    "word": (lambda value: isinstance(value, str) and value != "", "a word"),
}
