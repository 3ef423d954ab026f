-- What is under way or waits for a hand, oldest first.
SELECT
    submission, stage, provider, model, access, batch_id, status, provider_status, request_count, completed_count,
    estimated_cost_usd, created_at, submitted_at, coalesce(error, evidence)
FROM tag_batches
WHERE status = 'reserved' OR (status <> 'released' AND collected_at IS NULL)
ORDER BY created_at, submission
