-- `polled` is a registered frame. A batch that another process has settled meanwhile stays as it is.
UPDATE tag_batches
SET status = polled.status,
    provider_status = polled.provider_status,
    completed_count = coalesce(polled.completed, completed_count),
    failed_count = coalesce(polled.failed, failed_count),
    reported_count = coalesce(polled.completed, reported_count),
    error = coalesce(polled.error, tag_batches.error),
    polled_at = now(),
    completed_at = CASE WHEN polled.status = 'submitted' THEN NULL ELSE coalesce(polled.ended_at, now()) END
FROM polled
WHERE tag_batches.submission = polled.submission AND tag_batches.status = 'submitted'
