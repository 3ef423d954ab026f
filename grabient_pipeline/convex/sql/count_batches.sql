-- Add `accepted_answers` to the counts of the batches that were created for imported answers. Batches that were
-- imported themselves have their own counts.
UPDATE tag_batches
SET request_count = tag_batches.request_count + fresh.requests,
    completed_count = tag_batches.completed_count + fresh.completed,
    failed_count = tag_batches.failed_count + fresh.requests - fresh.completed,
    cost_usd = tag_batches.cost_usd + fresh.cost_usd,
    created_at = least(tag_batches.created_at, fresh.first_at),
    submitted_at = least(tag_batches.submitted_at, fresh.first_at),
    completed_at = greatest(tag_batches.completed_at, fresh.last_at)
FROM (
    SELECT
        accepted_answers.submission,
        count(*) AS requests,
        count(*) FILTER (accepted_answers.outcome = 'succeeded') AS completed,
        min(accepted_answers.convex_created_at) AS first_at,
        max(accepted_answers.convex_created_at) AS last_at,
        sum(coalesce(responses.cost_usd, 0)) AS cost_usd
    FROM accepted_answers
    JOIN tag_responses AS responses USING (custom_id)
    GROUP BY accepted_answers.submission
) AS fresh
WHERE tag_batches.submission = fresh.submission AND tag_batches.convex_id IS NULL
