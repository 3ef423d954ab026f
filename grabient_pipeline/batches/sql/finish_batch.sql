-- Parameters: submission.
UPDATE tag_batches
SET collected_at = now(),
    completed_count = settled.succeeded,
    failed_count = settled.total - settled.succeeded,
    cost_usd = settled.cost_usd
FROM (
    SELECT
        count(*) AS total,
        count(*) FILTER (responses.outcome = 'succeeded') AS succeeded,
        sum(
            coalesce(responses.usage.input_tokens, 0) * batches.input_usd_per_million
            + coalesce(responses.usage.output_tokens, 0) * batches.output_usd_per_million
        ) / 1e6 AS cost_usd
    FROM tag_responses AS responses
    JOIN tag_batches AS batches USING (submission)
    WHERE responses.submission = $submission
) AS settled
WHERE tag_batches.submission = $submission
