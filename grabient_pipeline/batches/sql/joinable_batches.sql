-- Adopted batches with results that wait for palettes which are imported by now; the columns are those of ended_batches.
SELECT
    submission,
    stage,
    provider,
    access,
    model,
    batch_id,
    status,
    error,
    created_at,
    request_count,
    coalesce(end_seen_at, now()) + to_seconds(3600 * (SELECT patience_hours FROM config)),
    collected_at,
    reported_count,
    reported_failed_count,
    found_at IS NOT NULL
FROM tag_batches
WHERE submission IN (SELECT submission FROM found_responses SEMI JOIN palettes USING (palette_id))
ORDER BY created_at, submission
