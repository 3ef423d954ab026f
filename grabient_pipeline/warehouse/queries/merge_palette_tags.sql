-- A usable answer replaces an error, and nothing replaces a usable answer but the same answer read again.
-- `parsed` is a table of ours: custom_id, tags, error.
MERGE INTO palette_tags AS kept
USING (
    SELECT
        requests.seed,
        requests.provider,
        requests.model,
        requests.analysis_index,
        requests.prompt_version,
        parsed.tags,
        parsed.error,
        responses.usage,
        (
            responses.usage.input_tokens * batches.input_usd_per_million
            + responses.usage.output_tokens * batches.output_usd_per_million
        ) / 1e6 AS cost_usd,
        batches.batch_id,
        parsed.custom_id,
        responses.received_at AS created_at
    FROM parsed
    JOIN tag_requests AS requests USING (custom_id)
    JOIN tag_responses AS responses USING (custom_id)
    JOIN tag_batches AS batches ON batches.submission = requests.submission
) AS fresh
ON kept.seed = fresh.seed
   AND kept.provider = fresh.provider
   AND kept.model = fresh.model
   AND kept.analysis_index = fresh.analysis_index
   AND kept.prompt_version = fresh.prompt_version
WHEN MATCHED AND (
    kept.custom_id = fresh.custom_id
    OR (kept.error IS NOT NULL AND (fresh.error IS NULL OR fresh.created_at >= kept.created_at))
) THEN UPDATE SET
    tags = fresh.tags,
    error = fresh.error,
    usage = fresh.usage,
    cost_usd = fresh.cost_usd,
    batch_id = fresh.batch_id,
    custom_id = fresh.custom_id,
    created_at = fresh.created_at
WHEN NOT MATCHED THEN INSERT (
    seed, provider, model, analysis_index, prompt_version, tags, error, usage, cost_usd, batch_id, custom_id,
    created_at
) VALUES (
    fresh.seed, fresh.provider, fresh.model, fresh.analysis_index, fresh.prompt_version, fresh.tags, fresh.error,
    fresh.usage, fresh.cost_usd, fresh.batch_id, fresh.custom_id, fresh.created_at
)
