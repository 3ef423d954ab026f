-- Raw responses of `accepted_answers`, of either stage, with their cost. `token_cost` is a macro of the connection.
INSERT INTO tag_responses BY NAME
SELECT answers.*, token_cost(answers.usage, answers, batches) AS cost_usd
FROM (
    SELECT
        custom_id,
        submission,
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
        1 AS price_share,
        coalesce(convex_created_at, now()) AS received_at
    FROM accepted_answers
) AS answers
JOIN tag_batches AS batches USING (submission)
