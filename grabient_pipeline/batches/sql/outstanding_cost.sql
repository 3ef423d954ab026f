-- What has been reserved and is not settled yet, over all models and both stages, in US dollars.
SELECT coalesce(sum(estimated_cost_usd), 0)::DOUBLE
FROM tag_batches
WHERE collected_at IS NULL AND status <> 'released'
