-- `accepted_answers` into the ledger and `palette_tags`, as if they had been requested here: a request, its claim and its
-- tags. After insert_responses.sql, which has the raw responses.
INSERT INTO tag_requests BY NAME
SELECT
    custom_id,
    submission,
    'tagging' AS stage,
    seed,
    provider,
    model,
    analysis_index,
    prompt_version,
    CASE verdict WHEN 'new' THEN 1 ELSE 2 END AS attempt,
    CASE WHEN usable THEN 'succeeded' ELSE 'failed' END AS state
FROM accepted_answers;

-- If the same request is in flight here, the first result stays.
INSERT OR IGNORE INTO request_claims
SELECT
    md5_number(concat_ws(chr(31), 'tagging', seed, provider, model, analysis_index, prompt_version)),
    custom_id
FROM accepted_answers
WHERE usable;

MERGE INTO palette_tags AS kept
USING (
    SELECT
        accepted.* EXCLUDE (error, tags),
        CASE
            WHEN accepted.usable THEN
                accepted.tags::JSON::STRUCT(
                    mood VARCHAR[], style VARCHAR[], harmony VARCHAR[], temperature VARCHAR, contrast VARCHAR,
                    brightness VARCHAR, saturation VARCHAR, seasonal VARCHAR[], associations VARCHAR[]
                )
        END AS tags,
        CASE
            WHEN accepted.outcome = 'errored' THEN concat('errored: ', accepted.error)
            ELSE accepted.reason
        END AS error,
        responses.usage,
        responses.cost_usd,
        batches.batch_id,
        coalesce(accepted.convex_created_at, now()) AS created_at
    FROM accepted_answers AS accepted
    LEFT JOIN tag_batches AS batches ON batches.submission = accepted.submission
    LEFT JOIN tag_responses AS responses ON responses.custom_id = accepted.custom_id
) AS fresh
ON kept.seed = fresh.seed
   AND kept.provider = fresh.provider
   AND kept.model = fresh.model
   AND kept.analysis_index = fresh.analysis_index
   AND kept.prompt_version = fresh.prompt_version
WHEN MATCHED THEN UPDATE SET
    tags = fresh.tags,
    error = fresh.error,
    usage = fresh.usage,
    cost_usd = fresh.cost_usd,
    batch_id = fresh.batch_id,
    custom_id = fresh.custom_id,
    created_at = fresh.created_at,
    run_number = fresh.run_number,
    convex_id = fresh.convex_id,
    convex_created_at = fresh.convex_created_at,
    convex_fields = fresh.convex_fields
WHEN NOT MATCHED THEN INSERT (
    seed, provider, model, analysis_index, prompt_version, tags, error, usage, cost_usd, batch_id, custom_id, created_at,
    run_number, convex_id, convex_created_at, convex_fields
) VALUES (
    fresh.seed, fresh.provider, fresh.model, fresh.analysis_index, fresh.prompt_version, fresh.tags, fresh.error,
    fresh.usage, fresh.cost_usd, fresh.batch_id, fresh.custom_id, fresh.created_at, fresh.run_number, fresh.convex_id,
    fresh.convex_created_at, fresh.convex_fields
);

DELETE FROM unnumbered_palette_tags WHERE custom_id IN (SELECT custom_id FROM accepted_answers)
