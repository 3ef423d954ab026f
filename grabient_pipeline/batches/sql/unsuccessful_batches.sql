-- Models whose last settled batch ended without doing its work, with what the provider said and the requests that are free
-- again.
SELECT provider, model, status, error, request_count
FROM tag_batches
WHERE collected_at IS NOT NULL AND endpoint <> 'convex'
QUALIFY row_number() OVER (PARTITION BY provider, model ORDER BY created_at DESC, submission) = 1
    AND status IN ('failed', 'expired', 'cancelled')
ORDER BY provider, model
