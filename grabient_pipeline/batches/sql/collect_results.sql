-- The outcome of each request in flight. Of duplicate rows a success counts, else the first; line_number refers to the
-- row that counts. `staged` is a view of the connection. Parameters: submission, outcome (of a request without a row).
CREATE OR REPLACE TEMP TABLE collected AS
SELECT
    sent.custom_id,
    staged.line_number,
    coalesce(staged.outcome, $outcome) AS outcome,
    CASE
        -- A request that the provider never ran is free again and does not count as failed.
        WHEN coalesce(staged.outcome, $outcome) IN ('expired', 'cancelled') THEN 'released'
        WHEN staged.outcome = 'succeeded' AND staged.reason IS NULL THEN 'succeeded'
        ELSE 'failed'
    END AS state
FROM (SELECT custom_id FROM tag_requests WHERE submission = $submission AND state = 'in_flight') AS sent
LEFT JOIN (
    SELECT custom_id, line_number, outcome, reason
    FROM staged
    WHERE custom_id IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY custom_id ORDER BY outcome = 'succeeded' DESC, line_number) = 1
) AS staged USING (custom_id)
