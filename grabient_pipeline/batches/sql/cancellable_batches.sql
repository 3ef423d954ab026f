-- Every batch that can be named in a command, the newest first.
SELECT submission, provider, access, model, batch_id, status
FROM tag_batches
WHERE status <> 'released'
ORDER BY created_at DESC, submission
