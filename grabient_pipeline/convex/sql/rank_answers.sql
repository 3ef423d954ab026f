-- The verdict on each of `incoming_answers`, and `accepted_answers`. For one key a usable answer wins over an error,
-- else the one that was there or was read first. Seeds are matched in any encoding.
CREATE OR REPLACE TEMP TABLE ranked_answers AS
WITH placed AS (
    SELECT incoming.* EXCLUDE (seed), palettes.seed, incoming.outcome = 'succeeded' AND incoming.reason IS NULL AS usable
    FROM incoming_answers AS incoming
    JOIN palette_spellings AS spellings ON spellings.seed = incoming.seed
    JOIN palettes ON palettes.palette_id = spellings.palette_id
),
known AS (
    SELECT placed.custom_id
    FROM placed
    JOIN tag_requests USING (custom_id)
),
fresh AS (
    SELECT *, row_number() OVER same_key AS place, first(usable) OVER same_key AS best
    FROM (
        SELECT * FROM placed ANTI JOIN known USING (custom_id)
        QUALIFY row_number() OVER (PARTITION BY custom_id ORDER BY line_number) = 1
    )
    WINDOW same_key AS (
        PARTITION BY seed, provider, model, analysis_index, prompt_version ORDER BY usable DESC, line_number
    )
)
SELECT
    fresh.*,
    CASE
        WHEN place > 1 AND best > usable THEN 'lost to a usable one'
        WHEN place > 1 THEN 'lost to an earlier one'
        WHEN kept.seed IS NULL THEN 'new'
        WHEN usable AND kept.error IS NOT NULL THEN 'replaces an error'
        WHEN kept.error IS NULL AND NOT usable THEN 'lost to a usable one'
        ELSE 'lost to an earlier one'
    END AS verdict
FROM fresh
LEFT JOIN palette_tags AS kept USING (seed, provider, model, analysis_index, prompt_version);

CREATE OR REPLACE TEMP TABLE accepted_answers AS
SELECT * FROM ranked_answers WHERE verdict IN ('new', 'replaces an error')
