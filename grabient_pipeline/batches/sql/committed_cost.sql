-- By order that is not closed: what its batches have cost so far, and what they may still cost, in US dollars. Of a batch
-- that is partly stored only the rest is estimated; an abandoned one counts until its provider's window ends.
SELECT
    batches.order_number,
    sum(coalesce(batches.cost_usd, 0))::DOUBLE AS spent,
    coalesce(
        sum(batches.estimated_cost_usd * coalesce(batches.waiting_count / batches.request_count, 1)) FILTER (
            batches.collected_at IS NULL
            AND (
                batches.status NOT IN ('released', 'abandoned')
                OR (batches.status = 'abandoned' AND batches.outstanding_until > now())
            )
        ),
        0
    )::DOUBLE AS outstanding
FROM tag_batches AS batches
JOIN orders ON orders.number = batches.order_number
WHERE orders.closed_at IS NULL
GROUP BY batches.order_number
