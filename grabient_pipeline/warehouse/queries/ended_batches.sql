-- What has ended and is not collected: the oldest first, since its results are the first to vanish.
SELECT submission, stage, provider, model, batch_id, status, error
FROM tag_batches
WHERE status IN ('completed', 'expired', 'cancelled', 'failed') AND collected_at IS NULL
ORDER BY submitted_at, submission
