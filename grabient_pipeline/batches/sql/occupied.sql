-- What batches hold of the queues of an account, as far as this ledger knows: tokens of the model, requests and jobs of
-- all models, jobs of the model. The provider may hold a reserved batch, and an abandoned one until its window ends.
-- Parameters: provider, model, now, except_submission; null for none.
SELECT
    coalesce(sum(estimated_input_tokens) FILTER (model = $model), 0)::BIGINT,
    coalesce(sum(request_count), 0)::BIGINT,
    count(*),
    count(*) FILTER (model = $model)
FROM tag_batches
WHERE provider = $provider
  AND access = 'batch'
  AND (status IN ('reserved', 'submitted') OR (status = 'abandoned' AND outstanding_until > $now::TIMESTAMPTZ))
  AND submission IS DISTINCT FROM $except_submission
