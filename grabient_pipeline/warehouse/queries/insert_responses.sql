-- Parameters: submission.
INSERT INTO tag_responses BY NAME
SELECT
    custom_id,
    $submission AS submission,
    outcome,
    text,
    finish_reason,
    error,
    CASE
        WHEN input_tokens IS NULL AND output_tokens IS NULL THEN NULL
        ELSE {'input_tokens': input_tokens, 'output_tokens': output_tokens}
    END AS usage,
    now() AS received_at
FROM collected
