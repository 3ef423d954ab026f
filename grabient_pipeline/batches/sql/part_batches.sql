-- By model of an open order: the oldest and the newest of its batches that the provider is working on,
-- and the longest window of these; 0 if none has recorded one.
SELECT
    batches.order_number,
    concat(batches.provider, '/', batches.model) AS name,
    min(batches.submitted_at) AS oldest_at,
    max(batches.submitted_at) AS newest_at,
    max(coalesce(batches.window_hours, 0)) AS window_hours
FROM tag_batches AS batches
JOIN orders ON orders.number = batches.order_number
WHERE orders.closed_at IS NULL AND batches.status = 'submitted' AND batches.submitted_at IS NOT NULL
GROUP BY ALL
