"""The account sees what it is there to see: here the ledger is tampered with, so that money really is lost."""

from __future__ import annotations

from drills.account import Account
from drills.ground import Ground

PLACES = 6


def ask_and_collect(ground: Ground) -> None:
    ground.must(*ground.asking)
    ground.end_batches()
    ground.must("poll")


def tamper(ground: Ground, *statements: str) -> None:
    with ground.warehouse.connect() as connection:
        for statement in statements:
            connection.execute(statement)


def test_an_honest_run_is_told_as_such(ground: Ground) -> None:
    ask_and_collect(ground)
    told, broken = ground.account()
    assert told == Account(requests=PLACES, billed=PLACES, kept=PLACES, paid_twice=0, lost=0)
    assert broken == []


def test_what_is_asked_again_after_an_answer_is_paid_twice(ground: Ground) -> None:
    ask_and_collect(ground)
    tamper(ground, "DELETE FROM request_claims", "UPDATE tag_requests SET state = 'released'")
    ask_and_collect(ground)
    told, _ = ground.account()
    assert (told.billed, told.paid_twice) == (2 * PLACES, PLACES)


def test_what_is_asked_again_after_an_answer_of_no_use_is_not(ground: Ground) -> None:
    ask_and_collect(ground)
    tamper(
        ground,
        "DELETE FROM request_claims",
        "UPDATE tag_requests SET state = 'failed'",
        "UPDATE palette_tags SET tags = NULL, error = 'refused: no'",
    )
    ask_and_collect(ground)
    told, _ = ground.account()
    assert (told.billed, told.paid_twice, told.lost) == (2 * PLACES, 0, 0)


def test_the_questions_tell_it_even_if_the_ledger_does_not(ground: Ground) -> None:
    """As after a loss of the working database with all that it knew."""
    ask_and_collect(ground)
    tamper(
        ground,
        *(
            f"DELETE FROM {table}"  # noqa: S608
            for table in ("request_claims", "tag_requests", "tag_responses", "tag_batches", "palette_tags")
        ),
    )
    ask_and_collect(ground)
    told, broken = ground.account()
    assert (told.paid_twice, told.lost) == (PLACES, PLACES)
    assert any("the ledger does not know" in each for each in broken)


def test_an_answer_that_is_in_no_table_is_lost(ground: Ground) -> None:
    ask_and_collect(ground)
    tamper(ground, "DELETE FROM tag_responses WHERE custom_id IN (SELECT min(custom_id) FROM tag_responses)")
    told, broken = ground.account()
    assert (told.kept, told.lost) == (PLACES - 1, 1)
    assert broken


def test_what_is_under_way_is_told(ground: Ground) -> None:
    ground.must(*ground.asking)
    _, broken = ground.account()
    assert f"{PLACES} requests are in flight though nothing is pending" in broken
