-- Rows that came back twice, were never sent, or cannot be read: every row that does not count. They are looked up by
-- number first, so that texts are read only if there are any. Parameters: submission.
INSERT INTO collection_findings BY NAME
SELECT
    $submission AS submission,
    CASE
        WHEN staged.custom_id IS NULL THEN 'unreadable'
        WHEN sent.custom_id IS NULL THEN 'unknown'
        ELSE 'duplicate'
    END AS kind,
    staged.custom_id,
    CASE WHEN staged.custom_id IS NULL THEN concat(staged.error, ': ', staged.text) ELSE staged.error END AS detail,
    now() AS found_at
FROM staged
JOIN (SELECT line_number FROM staged ANTI JOIN collected USING (line_number)) AS odd USING (line_number)
LEFT JOIN (SELECT custom_id FROM tag_requests WHERE submission = $submission) AS sent
    ON sent.custom_id = staged.custom_id
