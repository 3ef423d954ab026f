-- How long batches take, by our own history.
CREATE VIEW batch_durations AS
SELECT
    provider,
    count(*) AS batches,
    quantile_cont(seconds, 0.5) / 3600 AS median_hours,
    quantile_cont(seconds, 0.9) / 3600 AS p90_hours
FROM (
    -- Some providers tell their end to the second only.
    SELECT provider, greatest(0, epoch(completed_at - submitted_at)) AS seconds
    FROM tag_batches
    WHERE status = 'completed' AND access = 'batch' AND completed_at IS NOT NULL AND submitted_at IS NOT NULL
)
GROUP BY provider;
COMMENT ON VIEW batch_durations IS 'How long the batches of each provider took, from when it had them to their end';
COMMENT ON COLUMN batch_durations.provider IS 'Whose batches';
COMMENT ON COLUMN batch_durations.batches IS 'How many have completed';
COMMENT ON COLUMN batch_durations.median_hours IS 'Half of them took no longer, in hours';
COMMENT ON COLUMN batch_durations.p90_hours IS 'Nine of ten took no longer, in hours';
