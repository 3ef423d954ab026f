-- The refusals of an account in the last 26 hours, the oldest first: no provider asks for a wait of more than a day.
-- `is_since_set`: whether it came after what a person said last of the account. Parameters: provider, model, now.
SELECT
    model,
    kind,
    named_limit,
    occupied,
    size,
    retry_after_seconds,
    reason,
    refused_at,
    refused_at > coalesce(
        (SELECT max(set_at) FROM account_limits WHERE provider = $provider AND model IN ('', $model)),
        '1970-01-01 00:00:00+00'::TIMESTAMPTZ
    ) AS is_since_set
FROM refused_batches
WHERE provider = $provider AND refused_at > $now::TIMESTAMPTZ - INTERVAL 26 HOURS
ORDER BY refused_at, submission
