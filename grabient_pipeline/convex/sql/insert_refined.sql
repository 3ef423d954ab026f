-- Imported refinements into the ledger. `incoming_answers` is a registered table. The consensus that they were based on
-- is unknown, so it stays empty. `token_cost` is a macro of the connection.
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

INSERT INTO tag_responses BY NAME
SELECT answers.*, token_cost(answers.usage, answers, batches) AS cost_usd
FROM (
    SELECT
        custom_id,
        submission,
        outcome,
        text,
        finish_reason,
        error,
        CASE
            WHEN input_tokens IS NULL AND output_tokens IS NULL THEN NULL
            ELSE {'input_tokens': input_tokens, 'output_tokens': output_tokens}
        END AS usage,
        cached_input_tokens,
        cache_write_tokens,
        cache_write_hour_tokens,
        reasoning_tokens,
        1 AS price_share,
        coalesce(convex_created_at, now()) AS received_at
    FROM accepted_answers
) AS answers
JOIN tag_batches AS batches USING (submission);

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
