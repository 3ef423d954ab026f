-- Results of an adopted batch that wait for palettes which are imported by now, as rows of results.
-- Parameters: submission.
SELECT custom_id, outcome, text, finish_reason, error, usage.input_tokens, usage.output_tokens
FROM found_responses
SEMI JOIN palettes USING (palette_id)
WHERE submission = $submission
ORDER BY custom_id
