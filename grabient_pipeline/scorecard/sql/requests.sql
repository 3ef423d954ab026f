-- The finished requests of each model, their tokens and their cost; every attempt counts. Cached and reasoning tokens are
-- null if no response tells them. Parameters: prompt_version.
SELECT
    requests.provider,
    requests.model,
    count(*) AS requests,
    count(*) FILTER (requests.state = 'succeeded') AS usable,
    coalesce(sum(responses.usage.input_tokens), 0)::BIGINT AS input_tokens,
    coalesce(sum(responses.usage.output_tokens), 0)::BIGINT AS output_tokens,
    coalesce(
        sum(
            -- An exact decimal, because floating-point sums depend on their order.
            (coalesce(responses.cost_usd, 0) * 1e6)::DECIMAL(24, 6)
        ) / 1e6,
        0
    ) AS cost_usd,
    sum(responses.cached_input_tokens)::BIGINT AS cached_input_tokens,
    sum(responses.reasoning_tokens)::BIGINT AS reasoning_tokens
FROM tag_requests AS requests
LEFT JOIN tag_responses AS responses USING (custom_id)
WHERE requests.stage = 'tagging'
  AND requests.state IN ('succeeded', 'failed')
  AND requests.prompt_version = $prompt_version
GROUP BY requests.provider, requests.model
ORDER BY requests.provider, requests.model
