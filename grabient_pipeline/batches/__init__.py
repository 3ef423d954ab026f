"""The batch ledger: reserve, submit, poll, collect, reconcile, cancel, for both stages and all providers.

Every request is recorded before it is sent, and a unique constraint rejects duplicates; a response is settled in one
transaction with its request. No network call happens while the database is open. Knows no Dagster.

    workspace.py orders.py stages.py      what the steps work with: places, orders, the two stages as data
    backfill.py refine.py                 the two steps that submit; reservation.py and submit.py do their halves
    tick.py poll.py reconcile.py          asking the providers
    collect.py parse.py results.py        fetching, settling and parsing
    cancel.py quarantine.py direct_calls.py
    ledger.py                             state changes of a batch, one short transaction each
    status.py plan.py prompt_versions.py analysis_count.py   reading the state, estimating, settings
    request_file.py staging.py submission_lock.py spool_cleanup.py estimate.py
"""
