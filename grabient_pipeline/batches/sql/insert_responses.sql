-- Parameters: submission.
INSERT INTO tag_responses BY NAME
SELECT
    collected.custom_id,
    $submission AS submission,
    collected.outcome,
    staged.text,
    staged.finish_reason,
    staged.error,
    CASE
        WHEN staged.input_tokens IS NULL AND staged.output_tokens IS NULL THEN NULL
        ELSE {'input_tokens': staged.input_tokens, 'output_tokens': staged.output_tokens}
    END AS usage,
    now() AS received_at
FROM staged
JOIN collected USING (line_number)
WHERE collected.kept_outcome IS NULL
