-- Batches that were cancelled because they were late. Parameters: submissions.
UPDATE tag_batches
SET late_at = now()
WHERE submission IN (SELECT unnest($submissions::VARCHAR[])) AND late_at IS NULL AND status IN ('submitted', 'cancelled')
