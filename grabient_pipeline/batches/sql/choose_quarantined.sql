-- Parameters: max_failures, provider, model; null for any.
CREATE OR REPLACE TEMP TABLE chosen_requests AS
SELECT *
FROM resting_requests
WHERE failures >= $max_failures
  AND provider = coalesce($provider, provider)
  AND model = coalesce($model, model)
