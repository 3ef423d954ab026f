UPDATE config
SET
    ledger_id = coalesce($ledger_id, ledger_id),
    revision = $revision,
    restored_at = now(),
    paused_since = now(),
    paused_reason = $reason
