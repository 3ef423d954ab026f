-- Batches that their providers are working on, in the order of submission.
SELECT submission, provider, access, batch_id
FROM tag_batches
WHERE status = 'submitted'
ORDER BY submitted_at, submission
