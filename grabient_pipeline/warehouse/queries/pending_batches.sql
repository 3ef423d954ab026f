-- What is under way at the providers.
SELECT submission, provider, batch_id
FROM tag_batches
WHERE status = 'submitted'
ORDER BY submitted_at, submission
