SELECT
    count(*),
    count(*) FILTER (collected_at IS NULL AND status NOT IN ('released', 'abandoned')),
    coalesce(sum(cost_usd), 0)
FROM tag_batches
