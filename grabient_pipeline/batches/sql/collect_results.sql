-- What became of each request that is in flight: of doubled rows a success counts, then the first; the line of results
-- that counts stands there by its number. `staged` is a view of ours. Parameters: submission, outcome (of a request
-- about which there is no line).
CREATE OR REPLACE TEMP TABLE collected AS
SELECT
    sent.custom_id,
    staged.line_number,
    coalesce(staged.outcome, $outcome) AS outcome,
    CASE
        -- What the provider never ran is free again and counts as no failure.
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
