-- Parameters: submission, reason.
UPDATE tag_batches
SET status = 'released', error = $reason, evidence = $reason
WHERE submission = $submission AND batch_id IS NULL AND status IN ('reserved', 'abandoned')
