"""The batch ledger: plan, reserve, submit, poll, collect, for both stages and all providers.

The rule of the house is kept here: nothing is paid twice, nothing that was paid for is lost. What is asked is written
down before it is sent, in a transaction that refuses a second asking; what came back is settled in one transaction
with its answers. No network while the database is open. Knows no Dagster.
"""
