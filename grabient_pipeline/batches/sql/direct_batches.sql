-- Batches of ordinary calls that are not finished, oldest first.
SELECT submission, provider, access, batch_id
FROM tag_batches
WHERE access = 'direct' AND status = 'submitted'
ORDER BY created_at, submission
