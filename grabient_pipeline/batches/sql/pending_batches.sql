-- Batches that their providers are working on, in the order of submission. An abandoned one is asked about as well: at
-- every poll while its provider's window lasts, then once a day.
SELECT submission, provider, access, batch_id, status = 'abandoned'
FROM tag_batches
WHERE status = 'submitted'
   OR (
       status = 'abandoned'
       AND batch_id IS NOT NULL
       AND end_seen_at IS NULL
       AND created_at > now() - INTERVAL 30 DAYS
       AND (outstanding_until > now() OR polled_at IS NULL OR polled_at < now() - INTERVAL 1 DAY)
   )
ORDER BY submitted_at, submission
