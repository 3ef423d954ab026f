-- How the settled batches of a model ended since it was last resumed, the newest first; without those that were cancelled
-- because they were late.
-- Parameters: provider, model.
SELECT status, error, created_at, collected_at
FROM tag_batches
WHERE provider = $provider
  AND model = $model
  AND access = 'batch'
  AND endpoint <> 'convex'
  AND collected_at IS NOT NULL
  AND (late_at IS NULL OR status <> 'cancelled')
  AND created_at > coalesce(
      (SELECT max(resumed_at) FROM paused_models WHERE provider = $provider AND model = $model),
      '1970-01-01 00:00:00+00'::TIMESTAMPTZ
  )
ORDER BY created_at DESC, submission
