-- What a person said of the accounts, or of one account and of one of its models, that of the model first.
-- Parameters: provider, model; null for all.
SELECT provider, model, tier, tokens, requests, jobs, set_at
FROM account_limits
WHERE ($provider IS NULL OR provider = $provider) AND ($model IS NULL OR model IN ('', $model))
ORDER BY provider, model DESC
