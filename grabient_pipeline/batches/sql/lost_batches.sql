-- Reserved, and nothing known at the provider.
SELECT submission, provider, CASE access WHEN 'direct' THEN concat(provider, ':direct') ELSE provider END AS api, model, request_count, created_at
FROM tag_batches
WHERE status = 'reserved'
ORDER BY created_at, submission
