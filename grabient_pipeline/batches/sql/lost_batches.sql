-- Reserved, and nothing known at the provider.
SELECT submission, provider, access, model, request_count, created_at
FROM tag_batches
WHERE status = 'reserved'
ORDER BY created_at, submission
