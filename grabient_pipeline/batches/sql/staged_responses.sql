-- The rows of `staged` as responses have them. A view, so that texts are read only when they are stored.
CREATE OR REPLACE TEMP VIEW staged_responses AS
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
    END AS usage
FROM staged
