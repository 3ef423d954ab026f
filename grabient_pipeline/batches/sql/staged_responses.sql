-- The rows of `staged` as responses have them, with their cost. A view, so that texts are read only when they are stored.
-- `token_cost` is a macro of the connection. `staged_batch` is a variable, because a view takes no parameters: submission,
-- and what service tiers cost as shares of the batch's prices: tier_shares (by name), other_share.
CREATE OR REPLACE TEMP VIEW staged_responses AS
SELECT rows.*, token_cost(rows.usage, rows, batches) AS cost_usd
FROM (
    SELECT
        line_number,
        custom_id,
        outcome,
        text,
        finish_reason,
        error,
        CASE
            WHEN input_tokens IS NULL AND output_tokens IS NULL THEN NULL
            ELSE {'input_tokens': input_tokens, 'output_tokens': output_tokens}
        END AS usage,
        cached_input_tokens,
        cache_write_tokens,
        cache_write_hour_tokens,
        reasoning_tokens,
        service_tier,
        CASE
            WHEN service_tier IS NULL THEN 1
            ELSE coalesce(
                getvariable('staged_batch').tier_shares[service_tier], getvariable('staged_batch').other_share
            )
        END AS price_share
    FROM staged
) AS rows
JOIN tag_batches AS batches ON batches.submission = getvariable('staged_batch').submission
