-- Answers that came after their requests were settled without one.
UPDATE tag_responses
SET outcome = fresh.outcome,
    text = fresh.text,
    finish_reason = fresh.finish_reason,
    error = fresh.error,
    usage = fresh.usage,
    cached_input_tokens = fresh.cached_input_tokens,
    cache_write_tokens = fresh.cache_write_tokens,
    cache_write_hour_tokens = fresh.cache_write_hour_tokens,
    reasoning_tokens = fresh.reasoning_tokens,
    service_tier = fresh.service_tier,
    price_share = fresh.price_share,
    cost_usd = fresh.cost_usd,
    received_at = now()
FROM (FROM collected_responses WHERE kept_outcome IS NOT NULL) AS fresh
WHERE tag_responses.custom_id = fresh.custom_id
