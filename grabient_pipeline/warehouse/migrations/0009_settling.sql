-- What is needed to settle only what is complete: since when the end of a batch is known, what is waited for, and what
-- the provider counts. Batches can be abandoned and models paused. The two tables are copied because DuckDB cannot
-- change a CHECK.

CREATE TABLE new_tag_batches (
    submission              VARCHAR PRIMARY KEY,
    stage                   VARCHAR NOT NULL,
    provider                VARCHAR NOT NULL,
    model                   VARCHAR NOT NULL,
    endpoint                VARCHAR NOT NULL,
    batch_id                VARCHAR,
    status                  VARCHAR NOT NULL,
    provider_status         VARCHAR,
    request_count           BIGINT NOT NULL,
    completed_count         BIGINT,
    failed_count            BIGINT,
    prompt_version          VARCHAR NOT NULL,
    parameters              JSON NOT NULL,
    input_usd_per_million   DOUBLE NOT NULL,
    output_usd_per_million  DOUBLE NOT NULL,
    estimated_input_tokens  BIGINT NOT NULL,
    estimated_output_tokens BIGINT NOT NULL,
    estimated_cost_usd      DOUBLE NOT NULL,
    cost_usd                DOUBLE,
    created_at              TIMESTAMPTZ NOT NULL,
    submitted_at            TIMESTAMPTZ,
    polled_at               TIMESTAMPTZ,
    completed_at            TIMESTAMPTZ,
    collected_at            TIMESTAMPTZ,
    error                   VARCHAR,
    reported_count          BIGINT,
    looked_for_at           TIMESTAMPTZ,
    evidence                VARCHAR,
    access                  VARCHAR DEFAULT 'batch',
    convex_id               VARCHAR,
    convex_created_at       TIMESTAMPTZ,
    convex_fields           JSON,
    reported_failed_count   BIGINT,
    end_seen_at             TIMESTAMPTZ,
    looked_at               TIMESTAMPTZ,
    waiting_count           BIGINT,
    undelivered_count       BIGINT,
    trouble                 VARCHAR,
    trouble_since           TIMESTAMPTZ,
    abandoned_at            TIMESTAMPTZ,
    outstanding_until       TIMESTAMPTZ,
    clock_offset_seconds    DOUBLE,
    CHECK (stage IN ('tagging', 'refinement')),
    CHECK (
        status IN ('reserved', 'submitted', 'completed', 'expired', 'cancelled', 'failed', 'released', 'abandoned')
    ),
    UNIQUE (provider, batch_id)
);
INSERT INTO new_tag_batches BY NAME FROM tag_batches;
DROP TABLE tag_batches;
ALTER TABLE new_tag_batches RENAME TO tag_batches;
COMMENT ON TABLE tag_batches IS 'The ledger: one row per batch at a provider, of either stage';
COMMENT ON COLUMN tag_batches.submission IS 'Our token, sent along with the batch so that the batch can be found again';
COMMENT ON COLUMN tag_batches.stage IS 'tagging or refinement';
COMMENT ON COLUMN tag_batches.provider IS 'The provider''s key in the catalogue, such as anthropic';
COMMENT ON COLUMN tag_batches.model IS 'The model''s id at the provider';
COMMENT ON COLUMN tag_batches.endpoint IS 'The host it was sent to';
COMMENT ON COLUMN tag_batches.batch_id IS 'The provider''s id of the batch; null until the provider responded';
COMMENT ON COLUMN tag_batches.status IS 'reserved, submitted, completed, expired, cancelled, failed, released or abandoned';
COMMENT ON COLUMN tag_batches.provider_status IS 'The provider''s own status, as last polled';
COMMENT ON COLUMN tag_batches.request_count IS 'The number of requests';
COMMENT ON COLUMN tag_batches.completed_count IS 'The number of requests with a response';
COMMENT ON COLUMN tag_batches.failed_count IS 'The number of requests that failed';
COMMENT ON COLUMN tag_batches.prompt_version IS 'The prompt version of all its requests';
COMMENT ON COLUMN tag_batches.parameters IS 'The model''s request parameters';
COMMENT ON COLUMN tag_batches.input_usd_per_million IS 'The batch price on the day of the reservation';
COMMENT ON COLUMN tag_batches.output_usd_per_million IS 'The batch price on the day of the reservation';
COMMENT ON COLUMN tag_batches.estimated_input_tokens IS 'The estimate before it was sent';
COMMENT ON COLUMN tag_batches.estimated_output_tokens IS 'The estimate before it was sent';
COMMENT ON COLUMN tag_batches.estimated_cost_usd IS 'Counts against the cost cap until the batch is settled';
COMMENT ON COLUMN tag_batches.cost_usd IS 'The cost of what came back so far, by the tokens the provider reported; null until something did';
COMMENT ON COLUMN tag_batches.created_at IS 'When it was reserved';
COMMENT ON COLUMN tag_batches.submitted_at IS 'When the provider accepted it';
COMMENT ON COLUMN tag_batches.polled_at IS 'When it was last polled';
COMMENT ON COLUMN tag_batches.completed_at IS 'When it ended at the provider';
COMMENT ON COLUMN tag_batches.collected_at IS 'When its last request was settled; null until then';
COMMENT ON COLUMN tag_batches.error IS 'The provider''s error, or why it was released';
COMMENT ON COLUMN tag_batches.reported_count IS 'The number of requests that the provider counts as completed, as last asked';
COMMENT ON COLUMN tag_batches.looked_for_at IS 'When the provider was first searched for this batch, or last if it is abandoned';
COMMENT ON COLUMN tag_batches.evidence IS 'What the search found, and why the batch was adopted or released';
COMMENT ON COLUMN tag_batches.access IS 'batch, or direct if its requests are ordinary calls at full price';
COMMENT ON COLUMN tag_batches.convex_id IS 'Its document in Convex';
COMMENT ON COLUMN tag_batches.convex_created_at IS 'When the Convex document was created';
COMMENT ON COLUMN tag_batches.convex_fields IS 'Other fields of the Convex document';
COMMENT ON COLUMN tag_batches.reported_failed_count IS 'The number of requests that the provider counts as failed, as last asked';
COMMENT ON COLUMN tag_batches.end_seen_at IS 'When we first saw that it had ended; results that are not there are waited for from then on';
COMMENT ON COLUMN tag_batches.looked_at IS 'When its results were last asked for';
COMMENT ON COLUMN tag_batches.waiting_count IS 'The requests without a result while the others are already stored; null before the first look';
COMMENT ON COLUMN tag_batches.undelivered_count IS 'The results that were promised and not given when it was settled; asked for once a day';
COMMENT ON COLUMN tag_batches.trouble IS 'What keeps it from going on, as last seen: why a call about it failed, or what is waited for';
COMMENT ON COLUMN tag_batches.trouble_since IS 'Since when';
COMMENT ON COLUMN tag_batches.abandoned_at IS 'When a person gave it up';
COMMENT ON COLUMN tag_batches.outstanding_until IS 'Until when an abandoned batch counts against the cost cap: the end of the provider''s window';
COMMENT ON COLUMN tag_batches.clock_offset_seconds IS 'The provider''s clock minus this machine''s when it was reserved; null if not measured';

CREATE TABLE new_collection_findings (
    submission VARCHAR NOT NULL,
    kind       VARCHAR NOT NULL,
    custom_id  VARCHAR,
    detail     VARCHAR,
    found_at   TIMESTAMPTZ NOT NULL,
    CHECK (kind IN ('duplicate', 'unknown', 'unreadable', 'missing', 'undelivered'))
);
INSERT INTO new_collection_findings BY NAME FROM collection_findings;
DROP TABLE collection_findings;
ALTER TABLE new_collection_findings RENAME TO collection_findings;
COMMENT ON TABLE collection_findings IS 'Result rows with a problem. Every problem is recorded; none is dropped silently';
COMMENT ON COLUMN collection_findings.submission IS 'The batch';
COMMENT ON COLUMN collection_findings.kind IS 'duplicate, unknown, unreadable, missing or undelivered';
COMMENT ON COLUMN collection_findings.custom_id IS 'The id in the row, if it could be read';
COMMENT ON COLUMN collection_findings.detail IS 'What was found';
COMMENT ON COLUMN collection_findings.found_at IS 'When it was found';

COMMENT ON COLUMN tag_requests.custom_id IS
    'The submission, then the ledger and what the request is about; a row number in older batches';
COMMENT ON COLUMN tag_responses.outcome IS 'succeeded, errored, expired, cancelled if it never ran, or missing';

ALTER TABLE config ADD COLUMN patience_hours DOUBLE DEFAULT 24;
COMMENT ON COLUMN config.patience_hours IS 'How long results that an ended batch does not give yet are waited for';
ALTER TABLE config ADD COLUMN ledger_id VARCHAR;
COMMENT ON COLUMN config.ledger_id IS 'The id of this ledger, which is part of the custom id of every request';
UPDATE config SET ledger_id = lower(right(to_base((hash(uuid()) >> 2)::BIGINT, 36, 8), 5));

CREATE TABLE paused_models (
    provider   VARCHAR NOT NULL,
    model      VARCHAR NOT NULL,
    reason     VARCHAR NOT NULL,
    paused_at  TIMESTAMPTZ NOT NULL,
    resumed_at TIMESTAMPTZ,
    PRIMARY KEY (provider, model, paused_at)
);
COMMENT ON TABLE paused_models IS 'Models whose batches ended three times in a row without success for the same reason';
COMMENT ON COLUMN paused_models.provider IS 'The provider';
COMMENT ON COLUMN paused_models.model IS 'The model''s id at the provider';
COMMENT ON COLUMN paused_models.reason IS 'Why it was paused';
COMMENT ON COLUMN paused_models.paused_at IS 'When it was paused; nothing is submitted to it from then on';
COMMENT ON COLUMN paused_models.resumed_at IS 'When a person resumed it; null while it is paused';

CREATE TABLE price_corrections (
    provider      VARCHAR NOT NULL,
    model         VARCHAR NOT NULL,
    batches       BIGINT NOT NULL,
    booked_usd    DOUBLE NOT NULL,
    corrected_usd DOUBLE NOT NULL,
    corrected_at  TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE price_corrections IS 'Costs that were booked at a wrong price and computed again, one row per model';
COMMENT ON COLUMN price_corrections.provider IS 'The provider';
COMMENT ON COLUMN price_corrections.model IS 'The model''s id at the provider';
COMMENT ON COLUMN price_corrections.batches IS 'The number of batches';
COMMENT ON COLUMN price_corrections.booked_usd IS 'Their cost as it was booked';
COMMENT ON COLUMN price_corrections.corrected_usd IS 'Their cost at the price of their day';
COMMENT ON COLUMN price_corrections.corrected_at IS 'When it was computed again';

CREATE TABLE pending_steps (
    name VARCHAR PRIMARY KEY
);
COMMENT ON TABLE pending_steps IS 'What is still to be done after a migration, because SQL alone cannot';
COMMENT ON COLUMN pending_steps.name IS 'The name of the step';
INSERT INTO pending_steps VALUES ('correct_prices');

-- Answers that a provider counts as completed and that are not kept: at most as many as there are requests without an
-- answer. A completed batch without counts promises an answer to each of its requests. A row that cannot be read is
-- kept as it came, in collection_findings.
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
        FROM tag_responses
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
