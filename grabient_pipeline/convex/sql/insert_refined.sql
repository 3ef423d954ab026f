-- Imported refinements into the ledger. `incoming_answers` is a registered table. The consensus that they were based on
-- is unknown, so it stays empty. Their raw responses follow (insert_responses.sql).
CREATE OR REPLACE TEMP TABLE accepted_answers AS
SELECT incoming.* EXCLUDE (seed), palettes.seed, incoming.outcome = 'succeeded' AND incoming.reason IS NULL AS usable
FROM incoming_answers AS incoming
JOIN palette_spellings AS spellings ON spellings.seed = incoming.seed
JOIN palettes ON palettes.palette_id = spellings.palette_id
ANTI JOIN tag_requests USING (custom_id)
QUALIFY row_number() OVER (PARTITION BY incoming.custom_id ORDER BY incoming.line_number) = 1;

INSERT INTO tag_requests BY NAME
SELECT
    custom_id,
    submission,
    'refinement' AS stage,
    seed,
    provider,
    model,
    0 AS analysis_index,
    prompt_version,
    1 AS attempt,
    CASE WHEN usable THEN 'succeeded' ELSE 'failed' END AS state
FROM accepted_answers;

INSERT OR IGNORE INTO request_claims
SELECT
    md5_number(concat_ws(chr(31), 'refinement', seed, provider, model, 0, prompt_version)),
    custom_id
FROM accepted_answers
WHERE usable;

CREATE OR REPLACE TEMP TABLE parsed AS
SELECT
    custom_id,
    CASE
        WHEN usable THEN
            tags::JSON::STRUCT(
                mood VARCHAR[], style VARCHAR[], harmony VARCHAR[], temperature VARCHAR, contrast VARCHAR,
                brightness VARCHAR, saturation VARCHAR, seasonal VARCHAR[], associations VARCHAR[]
            )
    END AS tags,
    CASE WHEN outcome = 'errored' THEN concat('errored: ', error) ELSE reason END AS error
FROM accepted_answers
