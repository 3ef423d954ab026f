-- Parameters: submission, evidence.
UPDATE tag_batches
SET evidence = $evidence, looked_for_at = now()
WHERE submission = $submission AND status = 'reserved'
