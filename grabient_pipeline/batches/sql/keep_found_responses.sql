-- Results about palettes that are not imported yet. `staged` is a view of the connection. Parameters: submission.
INSERT INTO found_responses BY NAME
SELECT
    found.custom_id,
    $submission AS submission,
    found.palette_id,
    staged.outcome,
    staged.text,
    staged.finish_reason,
    staged.error,
    CASE
        WHEN staged.input_tokens IS NULL AND staged.output_tokens IS NULL THEN NULL
        ELSE {'input_tokens': staged.input_tokens, 'output_tokens': staged.output_tokens}
    END AS usage,
    now() AS found_at
FROM staged
JOIN found_requests AS found USING (custom_id)
WHERE found.seed IS NULL AND staged.custom_id NOT IN (SELECT custom_id FROM found_responses)
QUALIFY row_number() OVER (
    PARTITION BY staged.custom_id ORDER BY staged.outcome = 'succeeded' DESC, staged.line_number
) = 1
