-- A batch that was released because its provider did not list it, and that the provider has after all. Its requests stay
-- released: its answers are stored as late ones. Parameters: submission, batch_id, evidence.
UPDATE tag_batches
SET status = 'submitted',
    batch_id = $batch_id,
    submitted_at = created_at,
    error = NULL,
    evidence = $evidence,
    collected_at = NULL
WHERE submission = $submission AND batch_id IS NULL AND status = 'released'
