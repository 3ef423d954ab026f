-- Ended batches with something to collect: those that are not settled, and those that owe answers although they were
-- settled or abandoned, once a day or with every_late always.
-- Parameters: every_late.
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
WHERE batch_id IS NOT NULL
  AND (
      (status IN ('completed', 'expired', 'cancelled', 'failed') AND collected_at IS NULL)
      OR (
          (undelivered_count > 0 OR (status = 'abandoned' AND end_seen_at IS NOT NULL AND collected_at IS NULL))
          AND ($every_late OR looked_at IS NULL OR looked_at < now() - INTERVAL 1 DAY)
      )
  )
ORDER BY created_at, submission
