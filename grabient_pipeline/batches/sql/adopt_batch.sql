-- A reserved batch that was found at its provider. Parameters: submission, batch_id, evidence.
UPDATE tag_batches
SET
    status = 'submitted',
    batch_id = $batch_id,
    submitted_at = created_at,
    error = NULL,
    evidence = $evidence,
    looked_for_at = now()
WHERE submission = $submission AND status = 'reserved'
