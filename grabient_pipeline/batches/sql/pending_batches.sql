-- Batches that their providers are working on, those not asked about for longest first. An abandoned one is asked about
-- as well: at every poll while its provider's window lasts, then once a day.
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
ORDER BY polled_at NULLS FIRST, submitted_at, submission
