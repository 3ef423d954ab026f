"""What was billed, kept, paid twice and lost: the sandbox's bills against the ledger's rows.

The words, as they are meant in the table:

requests    requests that the ledger wrote down during the drill.
billed      answers that the sandbox billed, as it tells them itself: custom id, model, and the identity of the
            question, which is the same for everyone who asks the same about the same palette.
kept        billed answers that stand in the published file: as a response that succeeded, or, where the provider sent a
            row without its custom id, as that row in `collection_findings`.
paid twice  billed answers too many. A place (palette, model, analysis index, prompt version, what it was asked on the
            ground of) is to be paid for once. It may be asked and paid for again only after an answer that came and
            could not be used (cut off, refused, not JSON) or that the provider billed and never handed out: then the
            ledger has the earlier request as failed. Everything that is billed for a place after a billed answer of
            another kind is paid twice; so is a custom id that is billed again. Beside the ledger, and not
            trusting it, the sandbox's own identities are counted: a question may be billed as often as it was ordered,
            and once more for each answer that was of no use. The larger of the two figures is told.
            A request that came back as an error, or that never ran, is not billed and does not count.
lost        billed answers that are in no table. Those that the provider itself never handed out (`withheld`, where a
            drill makes it so) are told in the note: they must show in `grabient status` as paid and not kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb


class Bill(NamedTuple):
    """An answer that the sandbox billed."""

    provider: str
    batch: str | None
    custom_id: str
    model: str
    question: str


@dataclass(frozen=True, slots=True)
class Account:
    """The columns of the table."""

    requests: int = 0
    billed: int = 0
    kept: int = 0
    paid_twice: int = 0
    lost: int = 0

    def __add__(self, other: Account) -> Account:
        return Account(
            self.requests + other.requests,
            self.billed + other.billed,
            self.kept + other.kept,
            self.paid_twice + other.paid_twice,
            self.lost + other.lost,
        )


class _Request(NamedTuple):
    custom_id: str
    place: tuple[Any, ...]
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
        ) AS place,
        requests.stage,
        requests.attempt,
        requests.state,
        responses.outcome
    FROM tag_requests AS requests
    LEFT JOIN tag_responses AS responses USING (custom_id)
    WHERE requests.submission NOT IN (SELECT unnest($before))
"""
# A row that only lacks its id is kept as it came, with everything that was paid for.
_KEPT_WITHOUT_ID = """
    -- Google puts the collection before the id.
    SELECT replace(batches.batch_id, 'batches/', ''), count(*)
    FROM collection_findings AS findings
    JOIN tag_batches AS batches USING (submission)
    WHERE findings.kind = 'unreadable' AND findings.detail LIKE 'KeyError%'
    GROUP BY ALL
"""


def account(
    connection: duckdb.DuckDBPyConnection, bills: Iterable[Bill], ordered: Mapping[str, int], before: Iterable[str] = ()
) -> Account:
    """Hold the bills against a published file.

    Args:
        ordered: how often each question may be ordered, by stage.
        before: submissions that were there before the drill began.
    """
    requests = {
        request.custom_id: request
        for row in connection.execute(_REQUESTS, {"before": list(before)}).fetchall()
        for request in [_Request(*row)]
    }
    billed = list(bills)
    kept = {custom_id for custom_id, request in requests.items() if request.outcome == "succeeded"}
    not_kept = Counter(bill.batch for bill in billed if bill.custom_id not in kept)
    without_id = dict(connection.execute(_KEPT_WITHOUT_ID).fetchall())
    lost = sum(max(0, count - without_id.get(batch, 0)) for batch, count in not_kept.items())
    return Account(
        requests=len(requests),
        billed=len(billed),
        kept=len(billed) - lost,
        paid_twice=max(_twice_by_place(billed, requests), _twice_by_question(billed, requests, ordered)),
        lost=lost,
    )


def _twice_by_place(billed: Iterable[Bill], requests: Mapping[str, _Request]) -> int:
    times = Counter(bill.custom_id for bill in billed)
    again = sum(count - 1 for count in times.values())
    places: dict[tuple[Any, ...], list[_Request]] = defaultdict(list)
    for custom_id in times:
        if custom_id in requests:
            places[requests[custom_id].place].append(requests[custom_id])
    for asked in places.values():
        asked.sort(key=lambda request: request.attempt)
        first_good = next((place for place, request in enumerate(asked) if request.state != "failed"), len(asked))
        again += max(0, len(asked) - first_good - 1)
    return again


def _twice_by_question(billed: Iterable[Bill], requests: Mapping[str, _Request], ordered: Mapping[str, int]) -> int:
    times: Counter[tuple[str, str, str]] = Counter()
    of_no_use: Counter[tuple[str, str, str]] = Counter()
    stages: dict[tuple[str, str, str], str] = {}
    for bill in billed:
        question = bill.provider, bill.model, bill.question
        times[question] += 1
        request = requests.get(bill.custom_id)
        if request is not None:
            stages[question] = request.stage
            of_no_use[question] += request.state == "failed"
    return sum(
        max(0, count - of_no_use[question] - ordered.get(stages.get(question, ""), 1))
        for question, count in times.items()
    )


# Each gives rows where something is not as it must be once nothing is pending.
_RULES = {
    "requests are in flight though nothing is pending": "FROM tag_requests WHERE state = 'in_flight'",
    "batches are open though nothing is pending": """
        FROM tag_batches WHERE status IN ('reserved', 'submitted') OR (status <> 'released' AND collected_at IS NULL)
    """,
    "requests of collected batches have no response": """
        FROM tag_requests JOIN tag_batches USING (submission)
        ANTI JOIN tag_responses USING (custom_id)
        WHERE collected_at IS NOT NULL
    """,
    "claims are held by requests that are neither in flight nor answered": """
        FROM request_claims JOIN tag_requests USING (custom_id) WHERE state NOT IN ('in_flight', 'succeeded')
    """,
    "requests are in flight or answered and hold no claim": """
        FROM tag_requests ANTI JOIN request_claims USING (custom_id) WHERE state IN ('in_flight', 'succeeded')
    """,
    "batches carry another number of requests than they say": """
        FROM (
            SELECT submission FROM tag_batches JOIN tag_requests USING (submission)
            GROUP BY submission, request_count HAVING count(*) <> request_count
        )
    """,
    "tagging answers that succeeded have no tags": """
        FROM tag_requests ANTI JOIN (SELECT custom_id FROM palette_tags WHERE tags IS NOT NULL) USING (custom_id)
        WHERE stage = 'tagging' AND state = 'succeeded'
    """,
    "refined answers that succeeded have no tags": """
        FROM tag_requests ANTI JOIN (SELECT custom_id FROM palette_tag_refined WHERE tags IS NOT NULL) USING (custom_id)
        WHERE stage = 'refinement' AND state = 'succeeded'
    """,
}


def broken_rules(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """What does not hold in a published file after everything has been settled."""
    broken: list[str] = []
    for rule, rows in _RULES.items():
        ((count,),) = connection.execute(f"SELECT count(*) {rows}").fetchall()
        if count:
            broken.append(f"{count} {rule}")
    return broken


def tokens_kept(connection: duckdb.DuckDBPyConnection, custom_ids: Iterable[str]) -> tuple[int, int]:
    """Input and output tokens that the ledger has for these."""
    ((sent, made),) = connection.execute(
        "SELECT coalesce(sum(usage.input_tokens), 0)::BIGINT, coalesce(sum(usage.output_tokens), 0)::BIGINT "
        "FROM tag_responses WHERE custom_id IN (SELECT unnest($custom_ids)) AND outcome = 'succeeded'",
        {"custom_ids": list(custom_ids)},
    ).fetchall()
    return sent, made
