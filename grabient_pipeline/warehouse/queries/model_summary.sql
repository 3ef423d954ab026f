-- How each tagging model has done: its answers, how many can be used, and what they cost.
SELECT
    provider,
    model,
    count(*) AS answers,
    count(tags) AS usable,
    coalesce(sum(usage.input_tokens), 0)::BIGINT AS input_tokens,
    coalesce(sum(usage.output_tokens), 0)::BIGINT AS output_tokens,
    coalesce(sum(cost_usd), 0) AS cost_usd
FROM palette_tags
GROUP BY provider, model
ORDER BY provider, model
