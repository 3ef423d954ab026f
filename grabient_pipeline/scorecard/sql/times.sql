-- How long each model's batches took at the provider, in hours. Some providers give the end in whole seconds, which may
-- be before the start: such a batch counts as 0.
-- Parameters: prompt_version.
SELECT
    provider,
    model,
    quantile_cont(hours, 0.5) AS median_hours,
    quantile_cont(hours, 0.9) AS p90_hours
FROM (
    SELECT provider, model, greatest(0, epoch(completed_at - submitted_at) / 3600) AS hours
    FROM tag_batches
    WHERE stage = 'tagging'
      AND prompt_version = $prompt_version
      AND completed_at IS NOT NULL
      AND submitted_at IS NOT NULL
)
GROUP BY provider, model
