"""Compares the sandbox's bills with the ledger: what was billed, kept, paid for twice and lost.

The columns of the report:

requests    requests that the ledger recorded during the drill.
billed      responses that the sandbox billed, by its own account: custom id, model, and a prompt identity that is equal
            for all requests with the same prompt about the same palette.
kept        billed responses in the published file: as a response that succeeded or, where the provider returned a row
            without its custom id, as that row in `collection_findings`.
paid twice  billed responses in excess. A slot (palette, model, analysis index, prompt version, and the consensus that a
            refinement builds on) is to be paid for once. It may be submitted and paid for again only if the earlier
            response was unusable (truncated, refused, not JSON) or was billed and never returned; the ledger then has
            the earlier request as failed. Every response billed for a slot after any other billed response is paid
            twice, and so is a custom id that is billed again. Independently of the ledger, the sandbox's prompt
            identities are counted: a prompt may be billed as often as it was ordered, and once more for each unusable
            response. The larger of the two figures is reported. A request that failed at the provider or never ran is
            not billed and does not count.
lost        billed responses in no table. Those that the provider never returned (`withheld`, where a drill causes it)
            are reported in the notes; `grabient status` must show them as paid and not kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb


class Bill(NamedTuple):
    """A response that the sandbox billed. The names of the fields are the sandbox's."""

    provider: str
    batch: str | None
    custom_id: str
    model: str
    question: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    service_tier: str
    # "own" if its picture shows its palette, "other" if not, empty without one.
    picture: str = ""

    @property
    def prompt(self) -> tuple[str, str, str]:
        """The identity of the prompt at its provider and model."""
        return self.provider, self.model, self.question


@dataclass(frozen=True, slots=True)
class AuditTotals:
    """The columns of the report."""

    requests: int = 0
    billed: int = 0
    kept: int = 0
    paid_twice: int = 0
    lost: int = 0

    def __add__(self, other: AuditTotals) -> AuditTotals:
        return AuditTotals(
            self.requests + other.requests,
            self.billed + other.billed,
            self.kept + other.kept,
            self.paid_twice + other.paid_twice,
            self.lost + other.lost,
        )


class _Request(NamedTuple):
    custom_id: str
    slot: tuple[Any, ...]
    stage: str
    attempt: int
    state: str
    outcome: str | None


_REQUESTS = """
    SELECT
        requests.custom_id,
        (
            requests.stage, requests.seed, requests.provider, requests.model, requests.analysis_index,
            requests.prompt_version, requests.basis
        ) AS slot,
        requests.stage,
        requests.attempt,
        requests.state,
        responses.outcome
    FROM tag_requests AS requests
    LEFT JOIN tag_responses AS responses USING (custom_id)
    WHERE requests.submission NOT IN (SELECT unnest($earlier))
"""
# A row without its custom id is kept verbatim, with everything that was paid for.
_KEPT_WITHOUT_ID = """
    -- Google's batch ids start with the name of the collection.
    SELECT replace(batches.batch_id, 'batches/', ''), count(*)
    FROM collection_findings AS findings
    JOIN tag_batches AS batches USING (submission)
    WHERE findings.kind = 'unreadable' AND findings.detail LIKE 'KeyError%'
    GROUP BY ALL
"""


def audit(
    connection: duckdb.DuckDBPyConnection,
    bills: Iterable[Bill],
    ordered: Mapping[str, int],
    earlier: Iterable[str] = (),
) -> AuditTotals:
    """Compare the bills with a published file.

    Args:
        connection: the published file.
        bills: every response that the sandbox billed.
        ordered: how often each prompt may be ordered, by stage.
        earlier: submissions from before the drill.
    """
    requests = {
        request.custom_id: request
        for row in connection.execute(_REQUESTS, {"earlier": list(earlier)}).fetchall()
        for request in [_Request(*row)]
    }
    billed = list(bills)
    kept = {custom_id for custom_id, request in requests.items() if request.outcome == "succeeded"}
    not_kept = Counter(bill.batch for bill in billed if bill.custom_id not in kept)
    without_id = dict(connection.execute(_KEPT_WITHOUT_ID).fetchall())
    lost = sum(max(0, count - without_id.get(batch, 0)) for batch, count in not_kept.items())
    return AuditTotals(
        requests=len(requests),
        billed=len(billed),
        kept=len(billed) - lost,
        paid_twice=max(
            _count_duplicates_by_slot(billed, requests), _count_duplicates_by_prompt(billed, requests, ordered)
        ),
        lost=lost,
    )


def _count_duplicates_by_slot(billed: Iterable[Bill], requests: Mapping[str, _Request]) -> int:
    times = Counter(bill.custom_id for bill in billed)
    duplicates = sum(count - 1 for count in times.values())
    slots: dict[tuple[Any, ...], list[_Request]] = defaultdict(list)
    for custom_id in times:
        if custom_id in requests:
            slots[requests[custom_id].slot].append(requests[custom_id])
    for attempts in slots.values():
        attempts.sort(key=lambda request: request.attempt)
        first_usable = next((n for n, request in enumerate(attempts) if request.state != "failed"), len(attempts))
        duplicates += max(0, len(attempts) - first_usable - 1)
    return duplicates


def _count_duplicates_by_prompt(
    billed: Iterable[Bill], requests: Mapping[str, _Request], ordered: Mapping[str, int]
) -> int:
    times: Counter[tuple[str, str, str]] = Counter()
    unusable: Counter[tuple[str, str, str]] = Counter()
    stages: dict[tuple[str, str, str], str] = {}
    for bill in billed:
        times[bill.prompt] += 1
        request = requests.get(bill.custom_id)
        if request is not None:
            stages[bill.prompt] = request.stage
            unusable[bill.prompt] += request.state == "failed"
    return sum(
        max(0, count - unusable[prompt] - ordered.get(stages.get(prompt, ""), 1)) for prompt, count in times.items()
    )


# Each query returns the rows that violate an invariant once nothing is pending.
_INVARIANTS = {
    "requests in flight although nothing is pending": "FROM tag_requests WHERE state = 'in_flight'",
    "batches open although nothing is pending": """
        FROM tag_batches
        WHERE status IN ('reserved', 'submitted')
           OR (status NOT IN ('released', 'abandoned') AND collected_at IS NULL)
    """,
    "requests of collected batches without a response": """
        FROM tag_requests JOIN tag_batches USING (submission)
        ANTI JOIN tag_responses USING (custom_id)
        WHERE collected_at IS NOT NULL AND status <> 'abandoned'
    """,
    "claims held by requests that are neither in flight nor succeeded": """
        FROM request_claims JOIN tag_requests USING (custom_id) WHERE state NOT IN ('in_flight', 'succeeded')
    """,
    "requests in flight or succeeded without a claim": """
        FROM tag_requests ANTI JOIN request_claims USING (custom_id) WHERE state IN ('in_flight', 'succeeded')
    """,
    "batches whose request_count is wrong": """
        FROM (
            SELECT submission FROM tag_batches JOIN tag_requests USING (submission)
            GROUP BY submission, request_count HAVING count(*) <> request_count
        )
    """,
    "succeeded tagging requests without tags": """
        FROM tag_requests
        -- Of a request that was submitted again, the first usable answer counts, whichever attempt it answers.
        ANTI JOIN (FROM palette_tags WHERE tags IS NOT NULL)
            USING (seed, provider, model, analysis_index, prompt_version)
        WHERE stage = 'tagging' AND state = 'succeeded'
    """,
    "succeeded refinement requests without tags": """
        FROM tag_requests
        ANTI JOIN (FROM palette_tag_refined WHERE tags IS NOT NULL) USING (seed, model, prompt_version)
        WHERE stage = 'refinement' AND state = 'succeeded'
    """,
}


def find_violations(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the invariants that a published file violates once everything is settled, each with its count."""
    violations: list[str] = []
    for invariant, rows in _INVARIANTS.items():
        ((count,),) = connection.execute(f"SELECT count(*) {rows}").fetchall()
        if count:
            violations.append(f"{count} {invariant}")
    return violations


def count_kept_tokens(connection: duckdb.DuckDBPyConnection, custom_ids: Iterable[str]) -> tuple[int, ...]:
    """Return the tokens that the ledger holds for these requests: input, output, cached and reasoning."""
    (tokens,) = connection.execute(
        """
        SELECT
            coalesce(sum(usage.input_tokens), 0)::BIGINT,
            coalesce(sum(usage.output_tokens), 0)::BIGINT,
            coalesce(sum(cached_input_tokens), 0)::BIGINT,
            coalesce(sum(reasoning_tokens), 0)::BIGINT
        FROM tag_responses
        WHERE custom_id IN (SELECT unnest($custom_ids)) AND outcome = 'succeeded'
        """,
        {"custom_ids": list(custom_ids)},
    ).fetchall()
    return tokens
