-- What is stored now: answers that are new or better than what is kept and, if the batch is settled, every other
-- request that is still open. `line_number` refers to the row that counts.
-- Parameters: settles, outcome (of a request without a row).
CREATE OR REPLACE TEMP TABLE collected AS
SELECT
    custom_id,
    line_number,
    earlier_state,
    kept_outcome,
    coalesce(outcome, $outcome) AS outcome,
    CASE
        -- A request that the provider never ran is free again and does not count as failed.
        WHEN coalesce(outcome, $outcome) IN ('expired', 'cancelled') THEN 'released'
        WHEN outcome = 'succeeded' AND reason IS NULL THEN 'succeeded'
        ELSE 'failed'
    END AS state
FROM delivered
WHERE (outcome = 'succeeded' AND coalesce(kept_outcome, '') <> 'succeeded')
   OR (outcome = 'errored' AND coalesce(kept_outcome, '') NOT IN ('succeeded', 'errored'))
   OR ($settles AND kept_outcome IS NULL)
