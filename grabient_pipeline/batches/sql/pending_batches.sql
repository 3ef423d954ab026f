-- Batches that their providers are working on, those not asked about for longest first. An abandoned one is asked about
-- as well: at every poll while its provider's window lasts, then once a day.
--
-- A call that failed leaves polled_at as it is. So that batches that always fail keep no others waiting, every second
-- place goes to one whose last call failed, in random order, as long as there are any.
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
ORDER BY
    row_number() OVER (
        PARTITION BY trouble IS NOT NULL
        ORDER BY if(trouble IS NULL, polled_at, NULL) NULLS FIRST,
            -- The order by random() cannot be that of a window.
            if(trouble IS NULL, 0, hash(submission, now())),
            submitted_at,
            submission
    ),
    trouble IS NOT NULL
