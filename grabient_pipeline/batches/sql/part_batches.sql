-- By model of an open order: the oldest and the newest of its batches that the provider is working on.
SELECT
    batches.order_number,
    concat(batches.provider, '/', batches.model) AS name,
    min(batches.submitted_at) AS oldest_at,
    max(batches.submitted_at) AS newest_at
FROM tag_batches AS batches
JOIN orders ON orders.number = batches.order_number
WHERE orders.closed_at IS NULL AND batches.status = 'submitted' AND batches.submitted_at IS NOT NULL
GROUP BY ALL
