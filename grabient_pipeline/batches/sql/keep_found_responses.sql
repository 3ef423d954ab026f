-- Results about palettes that are not imported yet. `staged_responses` is a view of the connection.
-- Parameters: submission.
INSERT INTO found_responses BY NAME
SELECT
    staged.* EXCLUDE (line_number),
    $submission AS submission,
    found.palette_id,
    now() AS found_at
FROM staged_responses AS staged
JOIN found_requests AS found USING (custom_id)
WHERE found.seed IS NULL AND staged.custom_id NOT IN (SELECT custom_id FROM found_responses)
QUALIFY row_number() OVER (
    PARTITION BY staged.custom_id ORDER BY staged.outcome = 'succeeded' DESC, staged.line_number
) = 1
