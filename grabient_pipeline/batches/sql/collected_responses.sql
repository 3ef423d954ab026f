-- The rows of `collected` as rows of `tag_responses`.
CREATE OR REPLACE TEMP VIEW collected_responses AS
SELECT staged.* EXCLUDE (line_number), collected.kept_outcome
FROM staged_responses AS staged
JOIN collected USING (line_number)
