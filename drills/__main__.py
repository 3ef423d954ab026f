"""`python -m drills [NAME ...] [--rounds N] [--seed N] [--json]`: print a table; exit with 1 if a drill fails."""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator

from drills.drill import Drill
from drills.report import Outcome, print_note, print_report
from drills.runner import CONCURRENT_DRILLS, run_all


def drill_kinds(rounds: int) -> dict[str, Callable[[], Iterator[Drill]]]:
    """Return the generators of drills by the name used on the command line.

    Args:
        rounds: number of rounds of kills at random times.
    """
    from drills.concurrency import concurrency_drills
    from drills.crashes import crash_point_drills, kill_loop_drills, random_kill_drills
    from drills.late_results import late_result_drills
    from drills.lost_ledgers import lost_ledger_drills
    from drills.lost_responses import lost_response_drills
    from drills.money import money_drills
    from drills.odd_responses import odd_response_drills
    from drills.orders import order_drills
    from drills.partial_results import partial_result_drills

    return {
        "crash-points": crash_point_drills,
        "random": lambda: random_kill_drills(rounds),
        "loop": lambda: kill_loop_drills(max(1, rounds // 4)),
        "lost": lost_response_drills,
        "partial": partial_result_drills,
        "odd": odd_response_drills,
        "late": late_result_drills,
        "ledger": lost_ledger_drills,
        "concurrency": concurrency_drills,
        "money": money_drills,
        "orders": order_drills,
    }


def main() -> int:
    """Run the selected drills and return the exit status."""
    kinds = drill_kinds(1)
    parser = argparse.ArgumentParser(
        prog="python -m drills",
        description="Inject crashes and faults, and check that nothing is paid for twice and nothing paid for is lost.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"kinds to run: {', '.join(kinds)}; default: all")
    parser.add_argument("--only", metavar="TEXT", help="run only drills whose name contains TEXT")
    parser.add_argument("--rounds", type=int, default=12, metavar="N", help="rounds of random kills; default: 12")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of all random choices; default: a new one")
    parser.add_argument("--json", action="store_true", help="print the table and every drill as JSON")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in kinds]
    if unknown:
        parser.error(f"unknown kind {unknown[0]!r}; choose from {', '.join(kinds)}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    selected = drill_kinds(options.rounds)
    drills = [drill for name in options.names or selected for drill in selected[name]()]
    if options.only:
        drills = [drill for drill in drills if options.only in f"{drill.row} {drill.name}"]
    if not drills:
        parser.error("no drill matches")
    print_note(f"{len(drills)} drills, {CONCURRENT_DRILLS} at a time; repeat with --seed {seed}")
    outcomes = _run(drills, seed)
    print_report(outcomes, as_json=options.json)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _run(drills: list[Drill], seed: int) -> list[Outcome]:
    started = time.monotonic()
    finished = kills = 0

    def print_progress(outcome: Outcome) -> None:
        nonlocal finished, kills
        finished += 1
        kills += outcome.kills
        minutes, seconds = divmod(round(time.monotonic() - started), 60)
        progress = f"{minutes}:{seconds:02d}  {finished}/{len(drills)}, {kills} kills"
        verdict = "passed" if outcome.passed else f"FAILED: {outcome.failure} (drill seed {outcome.seed})"
        print_note(f"{progress}  {outcome.row}: {outcome.name} ({outcome.seconds:.0f} s): {verdict}")

    # Each drill gets a seed of its own, so that it makes the same choices when it runs alone.
    seeded = [(drill, random.Random(f"{seed} {drill.row} {drill.name}").randrange(2**31)) for drill in drills]
    return run_all(seeded, print_progress)


if __name__ == "__main__":
    sys.exit(main())
