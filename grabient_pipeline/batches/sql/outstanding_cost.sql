-- The estimated cost of everything reserved and not settled yet, of all models and both stages, in US dollars. Of a
-- batch that is partly stored only the rest counts; an abandoned one counts until its provider's window ends.
SELECT coalesce(sum(estimated_cost_usd * coalesce(waiting_count / request_count, 1)), 0)::DOUBLE
FROM tag_batches
WHERE collected_at IS NULL
  AND (status NOT IN ('released', 'abandoned') OR (status = 'abandoned' AND outstanding_until > now()))
