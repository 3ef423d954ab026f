-- Batches that are pending at their providers, those submitted first first.
SELECT submission, provider, access, batch_id
FROM tag_batches
WHERE status = 'submitted'
ORDER BY submitted_at, submission
