-- One batch for all answers of a model to a prompt, because exports do not record the batch of an answer.
-- `answer_batches` is a registered table: submission, stage, provider, model, prompt_version, created,
-- convex_created_at, and the prices. Not INSERT OR IGNORE, which would treat the missing batch ids of a provider as
-- equal.
INSERT INTO tag_batches BY NAME
SELECT
    submission,
    stage,
    provider,
    model,
    'convex' AS endpoint,
    'completed' AS status,
    0 AS request_count,
    0 AS completed_count,
    0 AS failed_count,
    prompt_version,
    '{"source": "earlier system"}' AS parameters,
    input_usd_per_million,
    output_usd_per_million,
    cached_input_usd_per_million,
    cache_write_usd_per_million,
    cache_write_hour_usd_per_million,
    0 AS estimated_input_tokens,
    0 AS estimated_output_tokens,
    0 AS estimated_cost_usd,
    0 AS cost_usd,
    coalesce(convex_created_at, now()) AS created_at,
    coalesce(convex_created_at, now()) AS submitted_at,
    coalesce(convex_created_at, now()) AS completed_at,
    now() AS collected_at
FROM answer_batches
ANTI JOIN tag_batches USING (submission)
