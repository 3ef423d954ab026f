-- Adopted batches of a stage whose requests are not all known yet, because their results are not all there.
-- Parameters: stage.
SELECT provider, model, batch_id
FROM tag_batches
WHERE found_at IS NOT NULL
  AND collected_at IS NULL
  AND status NOT IN ('abandoned', 'released')
  AND stage = $stage
ORDER BY created_at, submission
