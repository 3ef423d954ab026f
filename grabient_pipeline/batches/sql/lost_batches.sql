-- Batches of which it is unknown whether their providers have them: reserved ones, and after them abandoned ones that
-- were not looked for during the last day.
SELECT
    submission, provider, access, model, request_count, created_at, clock_offset_seconds, looked_for_at,
    status = 'abandoned'
FROM tag_batches
WHERE status = 'reserved'
   OR (
       status = 'abandoned'
       AND batch_id IS NULL
       AND coalesce(looked_for_at NOT BETWEEN now() - INTERVAL 1 DAY AND now(), true)
   )
ORDER BY status = 'abandoned', created_at, submission
