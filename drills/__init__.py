"""The promise "nothing paid twice, nothing paid for lost", proved on the machine at hand: `python -m drills`.

What belongs here is going wrong on purpose: each drill breaks something in its own way while real commands, in
processes of their own, work on a real sandbox; then plain commands go on until nothing is pending, and what the
sandbox billed is compared with what the ledger has (`account.py`, where the words are defined). Nothing here is
imported by the pipeline. What each drill proves stands in docs/drills.md.

    account.py   what was billed, kept, paid twice and lost
    commands.py  `grabient` commands as processes that may be killed
    ground.py    a data directory, the sandbox behind it, and what a drill does with both
    crashes.py  lost_answers.py  partial_results.py  odd_answers.py  together.py  money.py    the drills
    drill.py  runner.py  report.py    what a drill is, running them, the table
"""
