-- Ended batches with something to collect: those that are not settled, and those that owe answers although they were
-- settled or abandoned, once a day or with every_late always.
-- Parameters: every_late.
CREATE OR REPLACE TEMP TABLE chosen_batches AS
SELECT submission
FROM tag_batches
WHERE batch_id IS NOT NULL
  AND (
      (status IN ('completed', 'expired', 'cancelled', 'failed') AND collected_at IS NULL)
      OR (
          (undelivered_count > 0 OR (status = 'abandoned' AND end_seen_at IS NOT NULL AND collected_at IS NULL))
          AND ($every_late OR looked_at IS NULL OR looked_at < now() - INTERVAL 1 DAY)
      )
  )
