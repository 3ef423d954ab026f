"""The stored form of a report, which an interrupted import of an older version may have written."""

from __future__ import annotations

from collections import Counter

from grabient_pipeline.convex.report import TableReport

STORED = {
    "read": 9,
    "taken": 4,
    "already_there": 1,
    "waiting": 1,
    "adopted": 1,
    "repaired": {"no prompt version": 2},
    "set_aside": {"is not JSON": 2},
    "conflicts": {"two documents for one seed: the first won": 1},
}


def test_the_stored_keys_never_change() -> None:
    report = TableReport.from_counts(STORED)
    assert report == TableReport(
        read=9,
        imported=4,
        already_there=1,
        pending_index=1,
        adopted=1,
        repaired=Counter({"no prompt version": 2}),
        rejected=Counter({"is not JSON": 2}),
        conflicts=Counter({"two documents for one seed: the first won": 1}),
    )
    assert report.counts() == STORED


def test_the_reasons_of_a_table_that_was_not_read_are_stored() -> None:
    report = TableReport(left_out="has no counterpart here", broken="cannot be read")
    assert TableReport.from_counts(report.counts()) == report


def test_chunks_add_up() -> None:
    report = TableReport.from_counts(STORED)
    report.add(TableReport(read=1, rejected=Counter({"is not JSON": 1})))
    assert (report.read, report.imported, report.rejected) == (10, 4, {"is not JSON": 3})
