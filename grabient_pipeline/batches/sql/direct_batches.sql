-- Unfinished batches of ordinary calls, oldest first.
SELECT submission, provider, access, batch_id
FROM tag_batches
WHERE access = 'direct' AND status = 'submitted'
ORDER BY created_at, submission
