-- By model: responses, usable ones, tokens and cost. Parameters: answers, the table of parsed responses.
SELECT
    provider,
    model,
    count(*) AS answers,
    count(tags) AS usable,
    coalesce(sum(usage.input_tokens), 0)::BIGINT AS input_tokens,
    coalesce(sum(usage.output_tokens), 0)::BIGINT AS output_tokens,
    coalesce(sum(cost_usd), 0) AS cost_usd
FROM query_table($answers)
GROUP BY provider, model
ORDER BY provider, model
