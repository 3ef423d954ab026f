-- What is under way at the providers. An API is a provider, and how it is asked.
SELECT submission, CASE access WHEN 'direct' THEN concat(provider, ':direct') ELSE provider END AS api, batch_id
FROM tag_batches
WHERE status = 'submitted'
ORDER BY submitted_at, submission
