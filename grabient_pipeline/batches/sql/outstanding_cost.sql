-- The estimated cost of everything reserved and not settled yet, of all models and both stages, in US dollars.
SELECT coalesce(sum(estimated_cost_usd), 0)::DOUBLE
FROM tag_batches
WHERE collected_at IS NULL AND status <> 'released'
