-- The outcomes of all responses, and their cached and reasoning tokens, by model.
SELECT
    concat(requests.provider, '/', requests.model),
    count(*) FILTER (responses.outcome = 'succeeded'),
    count(*) FILTER (responses.outcome = 'errored'),
    count(*) FILTER (responses.outcome = 'missing'),
    count(*) FILTER (responses.outcome = 'expired'),
    count(*) FILTER (responses.outcome = 'cancelled'),
    sum(responses.cached_input_tokens)::BIGINT,
    sum(responses.reasoning_tokens)::BIGINT
FROM tag_responses AS responses
JOIN tag_requests AS requests USING (custom_id)
GROUP BY ALL
ORDER BY ALL
