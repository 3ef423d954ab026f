-- The rows of `collected` as rows of `tag_responses`. A view, so that texts are read only when they are stored.
CREATE OR REPLACE TEMP VIEW collected_responses AS
SELECT
    collected.custom_id,
    collected.outcome,
    staged.text,
    staged.finish_reason,
    staged.error,
    CASE
        WHEN staged.input_tokens IS NULL AND staged.output_tokens IS NULL THEN NULL
        ELSE {'input_tokens': staged.input_tokens, 'output_tokens': staged.output_tokens}
    END AS usage,
    collected.kept_outcome
FROM staged
JOIN collected USING (line_number)
