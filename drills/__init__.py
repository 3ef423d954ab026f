"""Fault-injection drills: `python -m drills` checks that nothing is paid for twice and nothing paid for is lost.

Each drill injects one kind of failure while real `grabient` commands, in processes of their own, work against a real
sandbox. Plain commands then run until nothing is pending, and the drill compares what the sandbox billed with what the
ledger holds (`audit.py`, which defines the terms). The pipeline imports nothing from here. docs/drills.md describes
what each drill proves.

    audit.py        counts billed, kept, duplicate and lost responses
    commands.py     runs `grabient` commands as processes that can be killed
    preload.py      what the fork server of those processes imports in advance
    environment.py  a data directory, its sandbox, and the actions of a drill
    drill.py  runner.py  report.py    the definition of a drill, the runner, the table
    crashes.py  lost_responses.py  partial_results.py  odd_responses.py  concurrency.py  money.py    the drills
"""
