-- What was taken, added to the batches that stand for it; a batch that was there as such counts for itself. `taken` is a
-- table of ours.
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
        submission,
        count(*) AS requests,
        count(*) FILTER (taken.outcome = 'succeeded') AS completed,
        min(taken.convex_created_at) AS first_at,
        max(taken.convex_created_at) AS last_at,
        sum(
            coalesce(taken.input_tokens, 0) * batches.input_usd_per_million
            + coalesce(taken.output_tokens, 0) * batches.output_usd_per_million
        ) / 1e6 AS cost_usd
    FROM taken
    JOIN tag_batches AS batches USING (submission)
    GROUP BY submission
) AS fresh
WHERE tag_batches.submission = fresh.submission AND tag_batches.convex_id IS NULL
