-- Batches as a record of the past. A batch in progress is polled from here until an export says that the earlier system
-- has collected it. `documents` is a registered table.
CREATE OR REPLACE TEMP TABLE ranked_batches AS
SELECT
    documents.*,
    CASE
        WHEN kept.submission IS NOT NULL AND kept.status = 'submitted' AND NOT documents.adopted THEN 'ended'
        WHEN kept.submission IS NOT NULL THEN 'known'
        WHEN twin.submission IS NOT NULL
            OR row_number() OVER (
                PARTITION BY documents.provider, coalesce(documents.batch_id, documents.convex_id)
                ORDER BY documents.line_number
            ) > 1 THEN 'duplicate'
        ELSE 'new'
    END AS verdict
FROM documents
LEFT JOIN tag_batches AS kept ON kept.submission = documents.submission
LEFT JOIN tag_batches AS twin
    ON twin.provider = documents.provider AND twin.batch_id = documents.batch_id
   AND twin.submission <> documents.submission;

INSERT INTO tag_batches BY NAME
SELECT
    submission,
    stage,
    provider,
    model,
    'convex' AS endpoint,
    batch_id,
    status,
    status AS provider_status,
    request_count,
    completed_count,
    failed_count,
    prompt_version,
    '{"source": "earlier system"}' AS parameters,
    input_usd_per_million,
    output_usd_per_million,
    cached_input_usd_per_million,
    cache_write_usd_per_million,
    cache_write_hour_usd_per_million,
    0 AS estimated_input_tokens,
    0 AS estimated_output_tokens,
    CASE WHEN adopted THEN coalesce(request_count * typical.cost_usd, 0) ELSE 0 END AS estimated_cost_usd,
    coalesce(submitted_at, now()) AS created_at,
    submitted_at,
    ended_at AS completed_at,
    CASE WHEN NOT adopted THEN coalesce(ended_at, submitted_at, now()) END AS collected_at,
    error,
    convex_id,
    convex_created_at,
    convex_fields
FROM ranked_batches
LEFT JOIN (
    SELECT provider, model, avg(cost_usd) AS cost_usd FROM palette_tags GROUP BY provider, model
) AS typical USING (provider, model)
WHERE verdict = 'new';

UPDATE tag_batches
SET status = fresh.status,
    completed_at = coalesce(fresh.ended_at, now()),
    collected_at = coalesce(fresh.ended_at, now()),
    error = fresh.error
FROM ranked_batches AS fresh
WHERE tag_batches.submission = fresh.submission AND fresh.verdict = 'ended'
