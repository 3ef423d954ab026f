-- What is needed to find a lost batch again, to see whether anything that was paid for is not kept, and to ask by
-- ordinary calls where there is no batch access.

ALTER TABLE tag_batches ADD COLUMN reported_count BIGINT;
ALTER TABLE tag_batches ADD COLUMN looked_for_at TIMESTAMPTZ;
ALTER TABLE tag_batches ADD COLUMN evidence VARCHAR;
ALTER TABLE tag_batches ADD COLUMN access VARCHAR DEFAULT 'batch';
COMMENT ON COLUMN tag_batches.access IS 'batch, or direct if its requests are ordinary calls at the full price';
COMMENT ON COLUMN tag_batches.reported_count IS 'How many requests the provider said that it had completed';
COMMENT ON COLUMN tag_batches.looked_for_at IS 'When a batch whose creation was not answered was last looked for at the provider';
COMMENT ON COLUMN tag_batches.evidence IS 'What looking for it found, and why it was adopted or released';

-- Every request that has failed and that nothing holds: how often, and last how. Those that failed too often rest. A
-- refinement on another consensus than today's is another request.
CREATE VIEW resting_requests AS
SELECT
    requests.stage,
    requests.seed,
    requests.provider,
    requests.model,
    requests.analysis_index,
    requests.prompt_version,
    requests.basis,
    count(*) FILTER (requests.state = 'failed') AS failures,
    max_by(requests.custom_id, requests.attempt) FILTER (requests.state = 'failed') AS last_custom_id
FROM tag_requests AS requests
LEFT JOIN current_consensus AS consensus ON consensus.seed = requests.seed
WHERE requests.basis IS NULL OR requests.basis = consensus.digest
GROUP BY ALL
HAVING count(*) FILTER (requests.state = 'failed') > 0
   AND count(*) FILTER (requests.state IN ('in_flight', 'succeeded')) = 0;
COMMENT ON VIEW resting_requests IS 'What has failed and is not answered: how often, and the request that failed last';

-- Answers that a provider says it gave, and that are not here: rows that never came back although they are counted as
-- completed. A row that came back and could not be read is kept as it came, in collection_findings.
CREATE VIEW paid_and_not_kept AS
SELECT submission, provider, model, batch_id, reported_count - returned AS requests
FROM (
    SELECT
        batches.submission,
        batches.provider,
        batches.model,
        batches.batch_id,
        batches.reported_count,
        (
            SELECT count(*) FROM tag_responses AS responses
            WHERE responses.submission = batches.submission AND responses.outcome <> 'missing'
        ) + (
            SELECT count(*) FROM collection_findings AS findings
            WHERE findings.submission = batches.submission AND findings.kind = 'unreadable'
        ) AS returned
    FROM tag_batches AS batches
    WHERE batches.collected_at IS NOT NULL
)
WHERE reported_count > returned;
COMMENT ON VIEW paid_and_not_kept IS 'Batches of which the provider counts more answers than came back: it should be empty';
