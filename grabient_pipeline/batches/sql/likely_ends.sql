-- By provider, when its last pending batch is likely to end: by the median and the 90 % quantile of earlier ones.
SELECT
    provider,
    count(*) AS pending,
    max(submitted_at + to_seconds(3600 * median_hours)) AS likely_at,
    max(submitted_at + to_seconds(3600 * p90_hours)) AS latest_at
FROM tag_batches
JOIN batch_durations USING (provider)
WHERE status = 'submitted' AND access = 'batch'
GROUP BY provider
ORDER BY provider
