-- Creates `unsettled_palettes`: those of refinable_palettes with a tagging request in flight, or with an analysis that an
-- open order wants and that is not settled. `holds` tells whether the palette must wait for it.
-- An analysis is settled if it was answered, is in quarantine, or was left because its batch was late. What a blocked
-- model or order still wants holds a palette only until its newest answer is old enough and enough models have answered.
-- After counted_for_parts.sql: what it says counts as answered.
-- Settled analyses are counted per palette and model; those in quarantine or left are few, so only they are grouped singly.
-- Parameters: max_failures, blocked_models (provider or provider/model), blocked_orders.
CREATE OR REPLACE TEMP TABLE unsettled_palettes AS
WITH parts AS (
    SELECT
        row_number() OVER () AS part,
        parts.order_number,
        parts.provider,
        parts.model,
        parts.last_palette_at,
        parts.last_seed,
        orders.prompt_version,
        orders.analysis_count,
        coalesce(orders.when_late = 'leave', false) AS leaves,
        (
            parts.provider IN (SELECT unnest($blocked_models::VARCHAR[]))
            OR parts.provider || '/' || parts.model IN (SELECT unnest($blocked_models::VARCHAR[]))
            OR parts.order_number IN (SELECT unnest($blocked_orders::BIGINT[]))
            OR (parts.provider, parts.model) IN (SELECT (provider, model) FROM paused_models WHERE resumed_at IS NULL)
        ) AS blocked
    FROM order_parts AS parts
    JOIN orders ON orders.number = parts.order_number
    WHERE orders.stage = 'tagging' AND orders.closed_at IS NULL AND parts.closed_at IS NULL
),
-- What was asked of each part, however it was ordered.
requests AS (
    SELECT refinable.palette, parts.part, requests.analysis_index, requests.state, requests.submission
    FROM tag_requests AS requests
    JOIN refinable_palettes AS refinable USING (seed)
    JOIN parts USING (provider, model, prompt_version)
    WHERE requests.stage = 'tagging' AND requests.analysis_index < parts.analysis_count
),
-- At most one request of an analysis succeeds: it holds the claim. What counts elsewhere has no request that holds it.
succeeded AS (
    SELECT palette, part, analysis_index FROM requests WHERE state = 'succeeded'
    UNION ALL
    SELECT refinable.palette, parts.part, elsewhere.analysis_index
    FROM counted_for_parts AS elsewhere
    JOIN refinable_palettes AS refinable USING (seed)
    JOIN parts USING (order_number, provider, model)
),
answered AS (
    SELECT palette, part, count(*) AS analyses FROM succeeded GROUP BY ALL
),
given_up AS (
    SELECT requests.palette, requests.part, requests.analysis_index
    FROM requests
    JOIN parts USING (part)
    LEFT JOIN (SELECT submission, order_number FROM tag_batches WHERE late_at IS NOT NULL) AS late USING (submission)
    WHERE requests.state IN ('failed', 'released')
    GROUP BY ALL
    HAVING count(*) FILTER (requests.state = 'failed') >= $max_failures
        OR coalesce(
            bool_or(requests.state = 'released' AND parts.leaves AND late.order_number = parts.order_number), false
        )
),
without_answer AS (
    SELECT palette, part, count(*) AS analyses
    FROM given_up
    ANTI JOIN succeeded USING (palette, part, analysis_index)
    GROUP BY ALL
),
wanted AS (
    SELECT refinable.palette, parts.part, parts.analysis_count, parts.blocked
    FROM refinable_palettes AS refinable
    JOIN parts
        ON refinable.created_at < parts.last_palette_at
        OR (refinable.created_at = parts.last_palette_at AND refinable.seed <= parts.last_seed)
),
unsettled AS (
    SELECT wanted.palette, bool_or(NOT wanted.blocked) AS holds
    FROM wanted
    LEFT JOIN answered USING (palette, part)
    LEFT JOIN without_answer USING (palette, part)
    WHERE coalesce(answered.analyses, 0) + coalesce(without_answer.analyses, 0) < wanted.analysis_count
    GROUP BY wanted.palette
),
under_way AS (
    SELECT DISTINCT seed FROM tag_requests WHERE stage = 'tagging' AND state = 'in_flight'
),
-- Those that wait for nothing but blocked models and orders.
waiting AS (
    SELECT refinable.palette, refinable.seed, refinable.consensus_version
    FROM refinable_palettes AS refinable
    SEMI JOIN (FROM unsettled WHERE NOT holds) AS blocked USING (palette)
),
newest_answers AS (
    SELECT waiting.palette, max(tags.created_at) AS received_at
    FROM palette_tags AS tags
    JOIN waiting USING (seed)
    GROUP BY waiting.palette
),
asked AS (
    SELECT palette, count(*) AS models
    FROM (
        SELECT wanted.palette, parts.provider, parts.model
        FROM wanted
        JOIN parts USING (part)
        SEMI JOIN waiting USING (palette)
        UNION
        SELECT waiting.palette, tags.provider, tags.model
        FROM palette_tags AS tags
        JOIN waiting ON waiting.seed = tags.seed AND waiting.consensus_version = tags.prompt_version
        WHERE tags.tags IS NOT NULL
    )
    GROUP BY palette
)
SELECT
    refinable.seed,
    under_way.seed IS NOT NULL
    OR unsettled.holds
    OR NOT (
        coalesce(epoch(now()) - epoch(newest.received_at) > 3600 * config.refine_after_hours, false)
        AND refinable.total_models / asked.models >= config.refine_share
    ) AS holds
FROM refinable_palettes AS refinable
CROSS JOIN config
LEFT JOIN unsettled USING (palette)
LEFT JOIN under_way USING (seed)
LEFT JOIN newest_answers AS newest USING (palette)
LEFT JOIN asked USING (palette)
WHERE unsettled.palette IS NOT NULL OR under_way.seed IS NOT NULL
