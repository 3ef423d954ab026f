-- Rows that came back twice, that we never sent, or that cannot be read. Parameters: staged, submission.
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
FROM read_parquet($staged) AS staged
LEFT JOIN (SELECT custom_id FROM tag_requests WHERE submission = $submission) AS sent
    ON sent.custom_id = staged.custom_id
QUALIFY staged.custom_id IS NULL
    OR sent.custom_id IS NULL
    OR row_number() OVER (
        PARTITION BY staged.custom_id
        ORDER BY staged.outcome = 'succeeded' DESC, staged.line_number
    ) > 1
