-- Parameters: submission, usual_hours: the window of older batches, which have none recorded.
UPDATE tag_batches
SET status = 'abandoned',
    abandoned_at = now(),
    outstanding_until = coalesce(submitted_at, created_at) + to_seconds(3600 * coalesce(window_hours, $usual_hours))
WHERE submission = $submission
  AND (status IN ('reserved', 'submitted') OR (status <> 'released' AND collected_at IS NULL))
