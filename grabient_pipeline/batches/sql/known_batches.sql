-- The providers' ids of batches of which it is known whose they are.
SELECT provider, list(batch_id)
FROM tag_batches
WHERE batch_id IS NOT NULL
GROUP BY provider
