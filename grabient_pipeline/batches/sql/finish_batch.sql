-- Counts and cost by what is kept, with the results that wait for their palettes. Parameters: submission, settled.
UPDATE tag_batches
SET collected_at = CASE WHEN $settled THEN coalesce(tag_batches.collected_at, now()) ELSE tag_batches.collected_at END,
    completed_count = kept.succeeded,
    failed_count = kept.total - kept.succeeded,
    cost_usd = kept.cost_usd
FROM (
    SELECT
        count(*) AS total,
        count(*) FILTER (responses.outcome = 'succeeded') AS succeeded,
        sum(coalesce(responses.cost_usd, 0)) AS cost_usd
    FROM (
        SELECT submission, outcome, cost_usd FROM tag_responses
        UNION ALL
        SELECT submission, outcome, cost_usd FROM found_responses
    ) AS responses
    WHERE responses.submission = $submission
) AS kept
WHERE tag_batches.submission = $submission
