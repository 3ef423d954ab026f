-- Every batch that can be named in a command, the newest first. Of a batch that is partly stored only the rest is open.
SELECT
    submission,
    provider,
    access,
    model,
    batch_id,
    status,
    created_at,
    collected_at,
    CASE WHEN collected_at IS NULL THEN coalesce(waiting_count, request_count) ELSE 0 END,
    CASE
        WHEN collected_at IS NULL THEN estimated_cost_usd * coalesce(waiting_count / request_count, 1)
        ELSE 0
    END::DOUBLE,
    order_number
FROM tag_batches
WHERE status <> 'released'
ORDER BY created_at DESC, submission
