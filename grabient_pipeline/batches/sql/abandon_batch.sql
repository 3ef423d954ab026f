-- Parameters: submission, window_hours.
UPDATE tag_batches
SET status = 'abandoned',
    abandoned_at = now(),
    outstanding_until = coalesce(submitted_at, created_at) + to_seconds(3600 * $window_hours)
WHERE submission = $submission
  AND (status IN ('reserved', 'submitted') OR (status <> 'released' AND collected_at IS NULL))
