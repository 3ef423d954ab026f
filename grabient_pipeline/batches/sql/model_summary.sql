-- By model: answers and usable ones of a stage, and the tokens and the cost of every attempt, also of answers that a later
-- one has replaced. Parameters: answers, the table of parsed responses; stage.
SELECT
    provider,
    model,
    coalesce(parsed.answers, 0),
    coalesce(parsed.usable, 0),
    coalesce(paid.input_tokens, 0)::BIGINT,
    coalesce(paid.output_tokens, 0)::BIGINT,
    coalesce(paid.cost_usd, 0)
FROM (
    SELECT provider, model, count(*) AS answers, count(tags) AS usable
    FROM query_table($answers)
    GROUP BY provider, model
) AS parsed
LEFT JOIN (
    SELECT
        batches.provider,
        batches.model,
        sum(responses.input_tokens) AS input_tokens,
        sum(responses.output_tokens) AS output_tokens,
        sum(
            responses.input_tokens * batches.input_usd_per_million
            + responses.output_tokens * batches.output_usd_per_million
        ) / 1e6 AS cost_usd
    FROM tag_batches AS batches
    JOIN (
        SELECT
            submission,
            sum(coalesce(usage.input_tokens, 0)) AS input_tokens,
            sum(coalesce(usage.output_tokens, 0)) AS output_tokens
        FROM tag_responses
        GROUP BY submission
    ) AS responses USING (submission)
    WHERE batches.stage = $stage
    GROUP BY batches.provider, batches.model
) AS paid USING (provider, model)
ORDER BY provider, model
