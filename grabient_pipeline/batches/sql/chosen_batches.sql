-- The batches in the table `chosen_batches`, as `EndedBatch` has them.
SELECT
    submission,
    stage,
    provider,
    access,
    model,
    batch_id,
    status,
    error,
    created_at,
    request_count,
    coalesce(end_seen_at, now()) + to_seconds(3600 * (SELECT patience_hours FROM config)),
    collected_at,
    reported_count,
    reported_failed_count,
    found_at IS NOT NULL
FROM tag_batches
SEMI JOIN chosen_batches USING (submission)
ORDER BY created_at, submission
