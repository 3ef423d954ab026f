"""`python -m drills [NAME ...] [--rounds N] [--seed N] [--json]`: a table; status 1 if a drill is not passed."""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator

from drills.drill import Drill
from drills.report import Outcome, note, say
from drills.runner import AT_A_TIME, run_all


def rooms(rounds: int) -> dict[str, Callable[[], Iterator[Drill]]]:
    """The drills by name, as they are asked for."""
    from drills.crashes import at_moments, at_random, in_a_loop
    from drills.lost_answers import lost_answers
    from drills.money import money
    from drills.odd_answers import odd_answers
    from drills.partial_results import partial_results
    from drills.together import together

    return {
        "moments": at_moments,
        "random": lambda: at_random(rounds),
        "loop": lambda: in_a_loop(max(1, rounds // 4)),
        "lost": lost_answers,
        "partial": partial_results,
        "odd": odd_answers,
        "together": together,
        "money": money,
    }


def main() -> int:
    names = rooms(1)
    parser = argparse.ArgumentParser(
        prog="python -m drills",
        description="Break things on purpose, and see that nothing is paid twice and nothing paid for is lost.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(names)}; by default all")
    parser.add_argument("--only", metavar="WORDS", help="only drills with these words in their names")
    parser.add_argument("--rounds", type=int, default=12, metavar="N", help="rounds of random kills; by default 12")
    parser.add_argument("--seed", type=int, metavar="N", help="what is drawn is drawn from this; by default a new one")
    parser.add_argument("--json", action="store_true", help="the table and every drill as JSON")
    wanted = parser.parse_args()
    unknown = [name for name in wanted.names if name not in names]
    if unknown:
        parser.error(f"no drills {unknown[0]!r}; there are {', '.join(names)}")
    if wanted.rounds < 1:
        parser.error("there has to be a round")
    seed = secrets.randbelow(2**31) if wanted.seed is None else wanted.seed
    chosen = rooms(wanted.rounds)
    drills = [drill for name in wanted.names or chosen for drill in chosen[name]()]
    if wanted.only:
        drills = [drill for drill in drills if wanted.only in f"{drill.row} {drill.name}"]
    if not drills:
        parser.error("there is no such drill")
    note(f"{len(drills)} drills, {AT_A_TIME} at a time; --seed {seed} draws the same again")
    outcomes = _run(drills, seed)
    say(outcomes, as_json=wanted.json)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _run(drills: list[Drill], seed: int) -> list[Outcome]:
    started = time.monotonic()
    finished = kills = 0

    def told(outcome: Outcome) -> None:
        nonlocal finished, kills
        finished += 1
        kills += outcome.kill_points
        minutes, seconds = divmod(round(time.monotonic() - started), 60)
        progress = f"{minutes}:{seconds:02d}  {finished}/{len(drills)}, {kills} kills"
        verdict = "passed" if outcome.passed else f"NOT PASSED: {outcome.failure} (drawn from {outcome.seed})"
        note(f"{progress}  {outcome.row}: {outcome.name} ({outcome.seconds:.0f} s): {verdict}")

    # Each drill draws from a seed of its own, so that one alone draws what it drew among all.
    seeded = [(drill, random.Random(f"{seed} {drill.row} {drill.name}").randrange(2**31)) for drill in drills]
    return run_all(seeded, told)


if __name__ == "__main__":
    sys.exit(main())
