-- Results of an adopted batch that wait for palettes which are imported by now, as rows of results.
-- Parameters: submission.
SELECT
    custom_id, outcome, text, finish_reason, error, usage.input_tokens, usage.output_tokens, cached_input_tokens,
    cache_write_tokens, cache_write_hour_tokens, reasoning_tokens, service_tier
FROM found_responses
SEMI JOIN palettes USING (palette_id)
WHERE submission = $submission
ORDER BY custom_id
