-- Parameters: submission. Whether the estimate of a batch of direct calls was raised to the full price, and what its order
-- may cost; the cap is null if it belongs to no order.
SELECT
    coalesce(json_extract_string(batches.parameters, '$.service_tier') = 'default', false),
    batches.estimated_cost_usd,
    batches.request_count,
    orders.number,
    orders.max_cost_usd,
    orders.closed_at IS NOT NULL
FROM tag_batches AS batches
LEFT JOIN orders ON orders.number = batches.order_number
WHERE batches.submission = $submission
