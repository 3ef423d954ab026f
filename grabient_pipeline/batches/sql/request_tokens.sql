-- By stage, prompt version and model, the estimated input tokens of a request, as in its newest batch.
SELECT
    stage,
    prompt_version,
    concat(provider, '/', model) AS name,
    arg_max(estimated_input_tokens / request_count, created_at)::DOUBLE AS tokens
FROM tag_batches
WHERE request_count > 0 AND estimated_input_tokens > 0
GROUP BY ALL
