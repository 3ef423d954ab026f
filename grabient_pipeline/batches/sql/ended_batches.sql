-- Ended batches that are not collected.
SELECT
    submission, stage, provider, access, model, batch_id, status, error, created_at, coalesce(completed_at, now()),
    reported_count
FROM tag_batches
WHERE status IN ('completed', 'expired', 'cancelled', 'failed') AND collected_at IS NULL
ORDER BY created_at, submission
