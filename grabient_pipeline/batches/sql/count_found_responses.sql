-- Results of a batch that wait for their palettes: all, those that succeeded, and those that were answered at all.
-- Parameters: submission.
SELECT
    count(*),
    count(*) FILTER (outcome = 'succeeded'),
    count(*) FILTER (outcome IN ('succeeded', 'errored'))
FROM found_responses
WHERE submission = $submission
