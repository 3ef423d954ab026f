-- The scorecard, best quality first.
SELECT * EXCLUDE (scored_at)
FROM model_scorecard
ORDER BY coalesce(quality, 0) DESC, coalesce(cost_per_usable_usd, 0), provider, model
