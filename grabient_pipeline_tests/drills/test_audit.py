"""The audit detects what it is meant to detect: these tests tamper with the ledger, so that money really is lost."""

from __future__ import annotations

from drills.audit import AuditTotals
from drills.environment import DrillEnvironment

SLOTS = 6


def submit_and_collect(environment: DrillEnvironment) -> None:
    environment.run_checked(*environment.submit_command)
    environment.end_batches()
    environment.run_checked("poll")


def tamper(environment: DrillEnvironment, *statements: str) -> None:
    with environment.warehouse.connect() as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_correct_run_passes(drill_environment: DrillEnvironment) -> None:
    submit_and_collect(drill_environment)
    totals, violations = drill_environment.audit()
    assert totals == AuditTotals(requests=SLOTS, billed=SLOTS, kept=SLOTS, paid_twice=0, lost=0)
    assert violations == []


def test_resubmitting_an_answered_request_counts_as_paid_twice(drill_environment: DrillEnvironment) -> None:
    submit_and_collect(drill_environment)
    tamper(drill_environment, "DELETE FROM request_claims", "UPDATE tag_requests SET state = 'released'")
    submit_and_collect(drill_environment)
    totals, _ = drill_environment.audit()
    assert (totals.billed, totals.paid_twice) == (2 * SLOTS, SLOTS)


def test_resubmitting_after_an_unusable_response_does_not(drill_environment: DrillEnvironment) -> None:
    submit_and_collect(drill_environment)
    tamper(
        drill_environment,
        "DELETE FROM request_claims",
        "UPDATE tag_requests SET state = 'failed'",
        "UPDATE palette_tags SET tags = NULL, error = 'refused: no'",
    )
    submit_and_collect(drill_environment)
    totals, _ = drill_environment.audit()
    assert (totals.billed, totals.paid_twice, totals.lost) == (2 * SLOTS, 0, 0)


def test_prompt_identities_reveal_duplicates_that_the_ledger_forgot(drill_environment: DrillEnvironment) -> None:
    """As after the loss of the working database, if unknown batches are ignored."""
    submit_and_collect(drill_environment)
    tamper(
        drill_environment,
        *(
            f"DELETE FROM {table}"  # noqa: S608
            for table in ("request_claims", "tag_requests", "tag_responses", "tag_batches", "palette_tags")
        ),
    )
    drill_environment.run_checked(*drill_environment.submit_command, "--ignore-unknown")
    tamper(drill_environment, "DELETE FROM tag_batches WHERE found_at IS NOT NULL")
    drill_environment.end_batches()
    drill_environment.run_checked("poll")
    totals, violations = drill_environment.audit()
    assert (totals.paid_twice, totals.lost) == (SLOTS, SLOTS)
    assert any("unknown to the ledger" in violation for violation in violations)


def test_a_response_in_no_table_is_lost(drill_environment: DrillEnvironment) -> None:
    submit_and_collect(drill_environment)
    tamper(drill_environment, "DELETE FROM tag_responses WHERE custom_id IN (SELECT min(custom_id) FROM tag_responses)")
    totals, violations = drill_environment.audit()
    assert (totals.kept, totals.lost) == (SLOTS - 1, 1)
    assert violations


def test_requests_in_flight_are_reported(drill_environment: DrillEnvironment) -> None:
    drill_environment.run_checked(*drill_environment.submit_command)
    _, violations = drill_environment.audit()
    assert f"{SLOTS} requests in flight although nothing is pending" in violations
