-- The rows of this batch that count: of doubled rows a success, then the first; none that we did not send.
-- `staged` are Parquet files of ours. Parameters: staged, submission.
CREATE OR REPLACE TEMP TABLE collected AS
SELECT staged.*
FROM read_parquet($staged) AS staged
SEMI JOIN (SELECT custom_id FROM tag_requests WHERE submission = $submission AND state = 'in_flight') AS sent
    ON sent.custom_id = staged.custom_id
QUALIFY row_number() OVER (
    PARTITION BY staged.custom_id
    ORDER BY staged.outcome = 'succeeded' DESC, staged.line_number
) = 1
