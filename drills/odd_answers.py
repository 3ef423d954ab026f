"""Answers that no document promises: everything that is known of the services, one row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from drills.drill import Drill
from drills.ground import PROVIDERS, Ground
from grabient_pipeline.sandbox.discovery import FAULTS


@dataclass(frozen=True)
class _Oddity:
    """Faults that are armed together. `withheld`: answers a provider that it thereby bills and never hands out."""

    name: str
    faults: Mapping[str, Mapping[str, Any]]
    providers: tuple[str, ...] = PROVIDERS
    withheld: int = 0
    # The rows that come are not those that were made, so their tokens do not add up to what was billed.
    spoiled: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


def _one(name: str, fault: str, *, withheld: int = 0, spoiled: bool = False, **parameters: Any) -> _Oddity:
    return _Oddity(name, {fault: parameters}, FAULTS[fault].providers, withheld, spoiled)


ODDITIES = (
    _one("completed without an output file", "no_output_file", times=2),
    _Oddity("completed, no files and no counts", {"no_output_file": {"times": 4}, "no_counts": {}}, PROVIDERS[1:]),
    _one("all rows failed, so only an error file", "fail_rows", times=1),
    _Oddity("file ids are {}", {"empty_file_ids": {}, "fail_rows": {"times": 1, "share": 0.5}}, ("openai", "groq")),
    _Oddity("errors as a list", {"errors_as_list": {}, "fail_batch": {"times": 1}}, ("openai", "groq")),
    _one("rows with status code 0", "status_zero_rows", times=1),
    _one("a state that nobody knows", "unknown_state", times=2),
    _one("a batch that is not known for a while", "batch_gone", times=2),
    _one("no counts", "no_counts"),
    _one("counts as strings", "counts_as_strings"),
    _one("results at another host", "foreign_results_url", times=2),
    _one("results that are gone for a while", "results_gone", times=2),
    _one("an inline error that breaks the SDK's parser", "poisoned"),
    _one("rows that never come", "missing_rows", times=1, withheld=1),
    _one("doubled rows", "duplicate_rows", count=2),
    _one("rows that were never sent", "unknown_rows", count=2),
    _one("rows without an id", "keyless_rows", times=1, spoiled=True),
    _one("lines that are not JSON", "garbage_rows", count=2),
    _one("lines that end with CR LF", "crlf_lines"),
    _one("U+2028 in the answers", "line_separators"),
    _one("downloads that are cut", "cut_download", times=4),
    _one("downloads of no type", "no_content_type"),
    _one("429 with retry-after", "rate_limited", times=3, retry_after=1),
    _one("429 without retry-after", "rate_limited", times=3),
    _one("429 to every creation", "rate_limited", times=2, calls="creating"),
    _one("no access to batches", "no_batch_access", times=1),
    _one("503, again and again", "down", times=8, calls="reading"),
    _one("500 to creations", "down", times=2, calls="creating", status=500),
    _one("500 to downloads", "down", times=8, calls="downloading", status=500),
    _one("500 to uploads", "down", times=4, calls="uploading", status=500),
    _one("calls that hang", "hang", times=4, seconds=1, calls="reading"),
    _one("creations that hang", "hang", times=1, seconds=1, calls="creating"),
)


def odd_answers() -> Iterator[Drill]:
    """A drill for each, with all the providers at which it can happen."""
    for oddity in ODDITIES:
        yield Drill(oddity.name, oddity.name, partial(_meet, oddity=oddity), oddity.providers)


def _meet(ground: Ground, oddity: _Oddity) -> None:
    ground.withheld = oddity.withheld * len(oddity.providers)
    ground.spoiled = oddity.spoiled
    for provider in oddity.providers:
        for fault, parameters in oddity.faults.items():
            ground.arm(fault, provider, **parameters)
    ground.run(*ground.asking)
    ground.end_batches()
    for _ in range(2):
        ground.run("poll")
    ground.run(*ground.asking)
    ground.end_batches()
    ground.run("poll")
    if ground.withheld:
        ground.notes.append(f"{ground.withheld} billed by the providers and never handed out; status tells so")
