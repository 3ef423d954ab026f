"""Responses that no documentation promises: every undocumented behaviour known of the services, one drill for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drills.drill import Drill
from drills.environment import PROVIDERS, DrillEnvironment
from grabient_pipeline.sandbox.discovery import FAULTS


@dataclass(frozen=True)
class Oddity:
    """Faults that are armed together.

    Attributes:
        withheld: responses that each provider bills but never returns.
        token_totals_differ: the tokens of the returned rows do not add up to what was billed.
    """

    name: str
    faults: Mapping[str, Mapping[str, Any]]
    providers: tuple[str, ...] = PROVIDERS
    withheld: int = 0
    token_totals_differ: bool = False


def _one(name: str, fault: str, *, withheld: int = 0, token_totals_differ: bool = False, **parameters: Any) -> Oddity:
    return Oddity(name, {fault: parameters}, FAULTS[fault].providers, withheld, token_totals_differ)


def _several(name: str, faults: Mapping[str, Mapping[str, Any]]) -> Oddity:
    possible = tuple(provider for provider in PROVIDERS if all(provider in FAULTS[fault].providers for fault in faults))
    return Oddity(name, faults, possible)


ODDITIES = (
    _one("completed without an output file", "no_output_file", times=2),
    _several("completed without files and counts", {"no_output_file": {"times": 4}, "no_counts": {}}),
    _one("all rows failed, error file only", "fail_rows", times=1),
    _several("file ids that are {}", {"empty_file_ids": {}, "fail_rows": {"times": 1, "share": 0.5}}),
    _several("errors given as a list", {"errors_as_list": {}, "fail_batch": {"times": 1}}),
    _one("rows with status code 0", "status_zero_rows", times=1),
    _one("unknown batch state", "unknown_state", times=2),
    _one("batch temporarily not found", "batch_gone", times=2),
    _one("missing counts", "no_counts"),
    _one("counts as strings", "counts_as_strings"),
    _one("results URL on another host", "foreign_results_url", times=2),
    _one("results temporarily missing", "results_gone", times=2),
    _one("inline error that breaks the SDK's parser", "poisoned"),
    _one("rows missing at first", "missing_rows", times=2),
    _one("duplicate rows", "duplicate_rows", count=2),
    _one("rows with unknown ids", "unknown_rows", count=2),
    _one("rows without ids", "keyless_rows", times=1, token_totals_differ=True),
    _one("lines that are not JSON", "garbage_rows", count=2),
    _one("CRLF line endings", "crlf_lines"),
    _one("U+2028 in responses", "line_separators"),
    _one("truncated downloads", "cut_download", times=4),
    _one("downloads without a content type", "no_content_type"),
    _one("429 with retry-after", "rate_limited", times=3, retry_after=1),
    _one("429 without retry-after", "rate_limited", times=3),
    _one("429 on creation", "rate_limited", times=2, calls="creating"),
    _one("no access to batches", "no_batch_access", times=1),
    _one("repeated 503", "down", times=8, calls="reading"),
    _one("500 on creation", "down", times=2, calls="creating", status=500),
    _one("500 on download", "down", times=8, calls="downloading", status=500),
    _one("500 on upload", "down", times=4, calls="uploading", status=500),
    _one("hanging calls", "hang", times=4, seconds=1, calls="reading"),
    _one("hanging creations", "hang", times=1, seconds=1, calls="creating"),
)


def odd_response_drills() -> Iterator[Drill]:
    """Yield a drill for each oddity, with every provider that can produce it."""
    for oddity in ODDITIES:
        yield Drill(oddity.name, oddity.name, partial(_encounter, oddity=oddity), oddity.providers)


def _encounter(environment: DrillEnvironment, oddity: Oddity) -> None:
    environment.withheld = oddity.withheld * len(oddity.providers)
    environment.token_totals_differ = oddity.token_totals_differ
    for provider in oddity.providers:
        for fault, parameters in oddity.faults.items():
            environment.arm_fault(fault, provider, **parameters)
    environment.run(*environment.submit_command)
    environment.end_batches()
    for _ in range(2):
        environment.run("poll")
    environment.run(*environment.submit_command)
    environment.end_batches()
    environment.run("poll")
    if environment.withheld:
        environment.notes.append(
            f"{environment.withheld} billed by the providers but never returned; grabient status reports them"
        )
