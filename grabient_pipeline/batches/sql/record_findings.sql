-- Rows that came back twice, were never sent, or cannot be read: every row that neither counts nor waits for its palette.
-- They are looked up by number first, so that texts are read only if there are any. A batch may be looked at several
-- times, so what is recorded already is left out, and a line that cannot be read counts only when the batch is settled:
-- before, it may be the cut end of a file that is not complete yet. Parameters: submission, settled.
INSERT INTO collection_findings BY NAME
SELECT *, now() AS found_at
FROM (
    SELECT
        $submission AS submission,
        CASE
            WHEN staged.custom_id IS NULL THEN 'unreadable'
            WHEN sent.custom_id IS NULL THEN 'unknown'
            ELSE 'duplicate'
        END AS kind,
        staged.custom_id,
        CASE WHEN staged.custom_id IS NULL THEN concat(staged.error, ': ', staged.text) ELSE staged.error END AS detail
    FROM staged
    JOIN (SELECT line_number FROM staged ANTI JOIN delivered USING (line_number)) AS odd USING (line_number)
    LEFT JOIN (SELECT custom_id FROM tag_requests WHERE submission = $submission) AS sent
        ON sent.custom_id = staged.custom_id
    WHERE ($settled OR staged.custom_id IS NOT NULL)
      AND (staged.custom_id IS NULL OR staged.custom_id NOT IN (SELECT custom_id FROM found_responses))
    EXCEPT ALL
    SELECT submission, kind, custom_id, detail FROM collection_findings WHERE submission = $submission
)
