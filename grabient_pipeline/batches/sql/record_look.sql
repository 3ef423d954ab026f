-- What a look at the results of an ended batch showed. What is waited for is the reason that it is not settled.
-- Parameters: submission, status, completed, failed, error, waiting, undelivered, trouble.
UPDATE tag_batches
SET status = CASE WHEN status IN ('completed', 'expired', 'cancelled', 'failed') THEN $status ELSE status END,
    reported_count = coalesce($completed, reported_count),
    reported_failed_count = coalesce($failed, reported_failed_count),
    error = coalesce($error, error),
    end_seen_at = coalesce(end_seen_at, now()),
    looked_at = now(),
    waiting_count = $waiting,
    undelivered_count = $undelivered,
    trouble = $trouble,
    trouble_since = CASE WHEN $trouble IS NOT NULL THEN coalesce(trouble_since, now()) END
WHERE submission = $submission
