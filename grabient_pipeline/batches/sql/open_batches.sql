-- Batches that are pending or need attention, oldest first, with their likely end by the duration of earlier ones. An
-- abandoned one is listed while it counts against the cost cap.
SELECT
    submission, stage, provider, model, access, batch_id, status, provider_status, request_count, completed_count,
    estimated_cost_usd, created_at, submitted_at, coalesce(error, evidence),
    CASE WHEN status = 'submitted' AND access = 'batch' THEN submitted_at + to_seconds(3600 * median_hours) END,
    CASE WHEN status = 'submitted' AND access = 'batch' THEN submitted_at + to_seconds(3600 * p90_hours) END,
    trouble, trouble_since, waiting_count, window_hours
FROM tag_batches
LEFT JOIN batch_durations USING (provider)
WHERE (status IN ('reserved', 'submitted') OR (status <> 'released' AND collected_at IS NULL))
  AND (status <> 'abandoned' OR outstanding_until > now())
ORDER BY created_at, submission
