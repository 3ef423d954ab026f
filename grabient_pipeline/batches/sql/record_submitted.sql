-- A batch that was abandoned while it was being sent stays abandoned. Parameters: submission, batch_id.
UPDATE tag_batches
SET
    status = CASE status WHEN 'reserved' THEN 'submitted' ELSE status END,
    batch_id = $batch_id,
    submitted_at = now(),
    error = CASE status WHEN 'reserved' THEN NULL ELSE error END
WHERE submission = $submission AND batch_id IS NULL AND status IN ('reserved', 'abandoned')
