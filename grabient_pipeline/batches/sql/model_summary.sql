-- By model: answers and usable ones of a stage, and the tokens and the cost of every attempt, also of answers that a later
-- one has replaced. Cached and reasoning tokens are null if no answer tells them.
-- Parameters: answers, the table of parsed responses; stage.
SELECT
    provider,
    model,
    coalesce(parsed.answers, 0),
    coalesce(parsed.usable, 0),
    coalesce(paid.input_tokens, 0)::BIGINT,
    coalesce(paid.output_tokens, 0)::BIGINT,
    coalesce(paid.cost_usd, 0),
    paid.cached_input_tokens::BIGINT,
    paid.reasoning_tokens::BIGINT
FROM (
    SELECT provider, model, count(*) AS answers, count(tags) AS usable
    FROM query_table($answers)
    GROUP BY provider, model
) AS parsed
LEFT JOIN (
    SELECT
        batches.provider,
        batches.model,
        sum(responses.usage.input_tokens) AS input_tokens,
        sum(responses.usage.output_tokens) AS output_tokens,
        sum(responses.cost_usd) AS cost_usd,
        sum(responses.cached_input_tokens) AS cached_input_tokens,
        sum(responses.reasoning_tokens) AS reasoning_tokens
    FROM tag_batches AS batches
    JOIN tag_responses AS responses USING (submission)
    WHERE batches.stage = $stage
    GROUP BY batches.provider, batches.model
) AS paid USING (provider, model)
ORDER BY provider, model
