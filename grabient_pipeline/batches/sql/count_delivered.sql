-- The requests of a batch, those that succeeded, those that were answered at all, and those without any row, now or
-- earlier.
SELECT
    count(*),
    count(*) FILTER (outcome = 'succeeded' OR kept_outcome = 'succeeded'),
    count(*) FILTER (outcome IN ('succeeded', 'errored') OR kept_outcome IN ('succeeded', 'errored')),
    count(*) FILTER (line_number IS NULL AND coalesce(kept_outcome, 'missing') = 'missing')
FROM delivered
