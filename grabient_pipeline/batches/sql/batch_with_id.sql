-- The provider of a batch, if another of its batches has this id. Parameters: submission, batch_id.
SELECT provider
FROM tag_batches AS ours
WHERE submission = $submission
  AND EXISTS (
      SELECT 1
      FROM tag_batches AS others
      WHERE others.provider = ours.provider AND others.batch_id = $batch_id AND others.submission <> ours.submission
  )
