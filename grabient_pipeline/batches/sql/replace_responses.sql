-- Answers that came after their requests were settled without one.
UPDATE tag_responses
SET outcome = fresh.outcome,
    text = fresh.text,
    finish_reason = fresh.finish_reason,
    error = fresh.error,
    usage = fresh.usage,
    received_at = now()
FROM (
    SELECT
        collected.custom_id,
        collected.outcome,
        staged.text,
        staged.finish_reason,
        staged.error,
        CASE
            WHEN staged.input_tokens IS NULL AND staged.output_tokens IS NULL THEN NULL
            ELSE {'input_tokens': staged.input_tokens, 'output_tokens': staged.output_tokens}
        END AS usage
    FROM staged
    JOIN collected USING (line_number)
    WHERE collected.kept_outcome IS NOT NULL
) AS fresh
WHERE tag_responses.custom_id = fresh.custom_id
