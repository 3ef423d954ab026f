-- The parts of orders that are not closed, in the order in which they are sent.
SELECT
    orders.number,
    orders.stage,
    parts.provider,
    parts.model,
    parts.access,
    parts.place,
    orders.analysis_count,
    orders.prompt_version,
    orders.max_cost_usd,
    orders.include_retired,
    orders.refresh_stale,
    orders.refine_now,
    orders.ask_again,
    orders.deadline_hours,
    orders.when_late,
    parts.last_palette_at,
    parts.last_seed,
    parts.estimated_requests,
    parts.estimated_cost_usd,
    orders.created_at
FROM orders
JOIN order_parts AS parts ON parts.order_number = orders.number
WHERE orders.closed_at IS NULL AND parts.closed_at IS NULL
ORDER BY orders.number, parts.provider, parts.model
