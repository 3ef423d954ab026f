-- `polled` is a registered frame. A batch that another process has settled meanwhile stays as it is, and one that was
-- abandoned stays abandoned: only its end is recorded.
UPDATE tag_batches
SET status = CASE WHEN tag_batches.status = 'abandoned' THEN 'abandoned' ELSE polled.status END,
    provider_status = polled.provider_status,
    completed_count = coalesce(polled.completed, completed_count),
    failed_count = coalesce(polled.failed, failed_count),
    reported_count = coalesce(polled.completed, reported_count),
    reported_failed_count = coalesce(polled.failed, reported_failed_count),
    error = coalesce(polled.error, tag_batches.error),
    polled_at = now(),
    completed_at = CASE WHEN polled.status = 'submitted' THEN NULL ELSE coalesce(polled.ended_at, now()) END,
    end_seen_at = CASE WHEN polled.status = 'submitted' THEN NULL ELSE now() END,
    trouble = NULL,
    trouble_since = NULL
FROM polled
WHERE tag_batches.submission = polled.submission
  AND (
      tag_batches.status = 'submitted'
      OR (tag_batches.status = 'abandoned' AND tag_batches.end_seen_at IS NULL)
  )
