-- Batches that a provider has and the ledger lacks: they are adopted, and their requests are read from their results.

ALTER TABLE tag_batches ADD COLUMN found_at TIMESTAMPTZ;
COMMENT ON COLUMN tag_batches.found_at IS
    'When it was found at its provider although the ledger lacked it; null if the ledger reserved it';

CREATE TABLE found_responses (
    custom_id     VARCHAR PRIMARY KEY,
    submission    VARCHAR NOT NULL,
    palette_id    VARCHAR NOT NULL,
    outcome       VARCHAR NOT NULL,
    text          VARCHAR,
    finish_reason VARCHAR,
    error         VARCHAR,
    usage         STRUCT (input_tokens BIGINT, output_tokens BIGINT),
    found_at      TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE found_responses IS 'Results in adopted batches about palettes that are not imported yet';
COMMENT ON COLUMN found_responses.custom_id IS 'The custom id, which says what the request is about';
COMMENT ON COLUMN found_responses.submission IS 'The batch';
COMMENT ON COLUMN found_responses.palette_id IS 'The palette; when it is imported, the result becomes a response';
COMMENT ON COLUMN found_responses.outcome IS 'succeeded, errored, expired or cancelled';
COMMENT ON COLUMN found_responses.text IS 'The raw response';
COMMENT ON COLUMN found_responses.finish_reason IS 'Why the model stopped';
COMMENT ON COLUMN found_responses.error IS 'The provider''s error';
COMMENT ON COLUMN found_responses.usage IS 'Billed tokens';
COMMENT ON COLUMN found_responses.found_at IS 'When it was collected';

CREATE TABLE other_batches (
    provider VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    kind     VARCHAR NOT NULL CHECK (kind IN ('foreign', 'unreadable')),
    seen_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, batch_id)
);
COMMENT ON TABLE other_batches IS 'Batches of the same accounts that are not this ledger''s, as far as is known';
COMMENT ON COLUMN other_batches.provider IS 'The provider';
COMMENT ON COLUMN other_batches.batch_id IS 'The provider''s id of the batch';
COMMENT ON COLUMN other_batches.kind IS
    'foreign: of another program or ledger; unreadable: nothing shows whose it is before it has ended';
COMMENT ON COLUMN other_batches.seen_at IS 'When it was last listed';

CREATE TABLE listings (
    provider  VARCHAR NOT NULL,
    account   VARCHAR NOT NULL,
    listed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, account)
);
COMMENT ON TABLE listings IS 'When the batches of an account were last listed and all of this ledger''s were in it';
COMMENT ON COLUMN listings.provider IS 'The provider';
COMMENT ON COLUMN listings.account IS 'A digest that differs for each API key and address and reveals neither';
COMMENT ON COLUMN listings.listed_at IS 'When; later listings begin a day earlier';

-- As before, with the results that wait for their palettes: they are kept too.
CREATE OR REPLACE VIEW paid_and_not_kept AS
SELECT submission, provider, model, batch_id, requests
FROM (
    SELECT
        batches.submission,
        batches.provider,
        batches.model,
        batches.batch_id,
        least(
            batches.request_count - coalesce(kept.answered, 0),
            CASE
                WHEN batches.reported_count > 0 OR batches.reported_failed_count > 0 THEN batches.reported_count
                WHEN batches.status = 'completed' AND batches.looked_at IS NOT NULL THEN batches.request_count
                ELSE 0
            END - coalesce(kept.succeeded, 0)
        ) - coalesce(unreadable.lines, 0) AS requests
    FROM tag_batches AS batches
    LEFT JOIN (
        SELECT
            submission,
            count(*) FILTER (outcome IN ('succeeded', 'errored')) AS answered,
            count(*) FILTER (outcome = 'succeeded') AS succeeded
        FROM (
            SELECT submission, outcome FROM tag_responses
            UNION ALL
            SELECT submission, outcome FROM found_responses
        )
        GROUP BY submission
    ) AS kept USING (submission)
    LEFT JOIN (
        SELECT submission, count(*) AS lines FROM collection_findings WHERE kind = 'unreadable' GROUP BY submission
    ) AS unreadable USING (submission)
    WHERE batches.collected_at IS NOT NULL OR batches.looked_at IS NOT NULL
)
WHERE requests > 0;
COMMENT ON VIEW paid_and_not_kept IS
    'Batches of which the provider counts more responses than are kept. It should be empty';
COMMENT ON COLUMN paid_and_not_kept.submission IS 'Our token, sent along with the batch so that the batch can be found again';
COMMENT ON COLUMN paid_and_not_kept.provider IS 'The provider''s key in the catalogue, such as anthropic';
COMMENT ON COLUMN paid_and_not_kept.model IS 'The model''s id at the provider';
COMMENT ON COLUMN paid_and_not_kept.batch_id IS 'The provider''s id of the batch; null until the provider responded';
COMMENT ON COLUMN paid_and_not_kept.requests IS 'The number of responses that the provider counts and that are not kept';
