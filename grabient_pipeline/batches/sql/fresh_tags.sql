-- The responses of a batch as rows of `palette_tags`. `parsed` is a view of the connection: custom_id, tags, error.
CREATE OR REPLACE TEMP VIEW fresh_tags AS
SELECT
    requests.seed,
    requests.provider,
    requests.model,
    requests.analysis_index,
    requests.prompt_version,
    parsed.tags,
    parsed.error,
    responses.usage,
    responses.cost_usd,
    batches.batch_id,
    parsed.custom_id,
    responses.received_at AS created_at
FROM parsed
JOIN tag_requests AS requests USING (custom_id)
JOIN tag_responses AS responses USING (custom_id)
JOIN tag_batches AS batches ON batches.submission = requests.submission
