-- The limits that the provider named in its refusals of the last 30 days, and when: the newest of each kind, unless a
-- person said something of the account later. Tokens are those of one model. Parameters: provider, model, now.
SELECT kind, arg_max(named_limit, refused_at) AS named_limit, max(refused_at) AS refused_at
FROM refused_batches
WHERE provider = $provider
  AND named_limit IS NOT NULL
  AND (kind IN ('requests', 'jobs') OR (kind = 'tokens' AND model = $model))
  AND refused_at > $now::TIMESTAMPTZ - INTERVAL 30 DAYS
  AND refused_at > coalesce(
      (SELECT max(set_at) FROM account_limits WHERE provider = $provider AND model IN ('', $model)),
      '1970-01-01 00:00:00+00'::TIMESTAMPTZ
  )
GROUP BY kind
