-- Each request of the batch, with what is kept of it and the row that counts among those that came now: of duplicates a
-- success, else the first. `staged` is a view of the connection. Parameters: submission.
CREATE OR REPLACE TEMP TABLE delivered AS
SELECT
    sent.custom_id,
    sent.state AS earlier_state,
    kept.outcome AS kept_outcome,
    staged.line_number,
    staged.outcome,
    staged.reason
FROM (SELECT custom_id, state FROM tag_requests WHERE submission = $submission) AS sent
LEFT JOIN (
    SELECT custom_id, line_number, outcome, reason
    FROM staged
    WHERE custom_id IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY custom_id ORDER BY outcome = 'succeeded' DESC, line_number) = 1
) AS staged USING (custom_id)
LEFT JOIN (
    SELECT custom_id, outcome FROM tag_responses WHERE submission = $submission
) AS kept USING (custom_id)
