-- A batch that was found at its provider. An abandoned one stays abandoned. Parameters: submission, batch_id, evidence.
UPDATE tag_batches
SET
    status = CASE status WHEN 'reserved' THEN 'submitted' ELSE status END,
    batch_id = $batch_id,
    submitted_at = created_at,
    error = CASE status WHEN 'reserved' THEN NULL ELSE error END,
    evidence = $evidence,
    looked_for_at = now()
WHERE submission = $submission AND batch_id IS NULL AND status IN ('reserved', 'abandoned')
