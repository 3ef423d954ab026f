-- The batches that are later than their orders allow and not cancelled yet, as `KnownBatch` has them. In random order, so
-- that those that cannot be cancelled do not keep the others from their turn. Parameters: limit.
SELECT
    batches.submission,
    batches.provider,
    batches.access,
    batches.model,
    batches.batch_id,
    batches.status,
    batches.created_at,
    batches.collected_at,
    coalesce(batches.waiting_count, batches.request_count),
    (batches.estimated_cost_usd * coalesce(batches.waiting_count / batches.request_count, 1))::DOUBLE,
    batches.order_number
FROM tag_batches AS batches
JOIN orders ON orders.number = batches.order_number
WHERE orders.closed_at IS NULL
  AND batches.access = 'batch'
  AND batches.status = 'submitted'
  AND batches.late_at IS NULL
  AND batches.submitted_at + to_seconds(3600 * orders.deadline_hours) < now()
ORDER BY random()
LIMIT $limit
