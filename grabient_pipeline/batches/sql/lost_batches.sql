-- Reserved batches: it is unknown whether their providers have them.
SELECT submission, provider, access, model, request_count, created_at
FROM tag_batches
WHERE status = 'reserved'
ORDER BY created_at, submission
