-- Parameters: submission, batch_id.
UPDATE tag_batches
SET status = 'submitted', batch_id = $batch_id, submitted_at = now(), error = NULL
WHERE submission = $submission AND status = 'reserved'
