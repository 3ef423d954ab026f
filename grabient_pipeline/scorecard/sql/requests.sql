-- The finished requests of each model, their tokens and their cost; every attempt counts. Parameters: prompt_version.
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
            (
                coalesce(responses.usage.input_tokens, 0) * batches.input_usd_per_million
                + coalesce(responses.usage.output_tokens, 0) * batches.output_usd_per_million
            )::DECIMAL(18, 6)
        ) / 1e6,
        0
    ) AS cost_usd
FROM tag_requests AS requests
JOIN tag_batches AS batches USING (submission)
LEFT JOIN tag_responses AS responses USING (custom_id)
WHERE requests.stage = 'tagging'
  AND requests.state IN ('succeeded', 'failed')
  AND requests.prompt_version = $prompt_version
GROUP BY requests.provider, requests.model
ORDER BY requests.provider, requests.model
