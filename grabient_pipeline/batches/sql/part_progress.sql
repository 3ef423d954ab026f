-- By open part of tagging orders: all requests that it asks for, and those that are in flight, succeeded (of another model or
-- prompt too, where that counts), failed as often as they may, left because a batch was late, or to be sent by ordinary
-- calls for that reason. After counted_for_parts.sql. Parameters: max_failures.
WITH parts AS (
    SELECT
        orders.number, orders.analysis_count, orders.prompt_version, orders.when_late, parts.provider, parts.model,
        parts.last_palette_at, parts.last_seed
    FROM orders
    JOIN order_parts AS parts ON parts.order_number = orders.number
    WHERE orders.stage = 'tagging' AND orders.closed_at IS NULL AND parts.closed_at IS NULL
),
bounds AS (
    SELECT DISTINCT last_palette_at, last_seed FROM parts
),
sizes AS (
    SELECT bounds.last_palette_at, bounds.last_seed, count(*) AS palettes
    FROM bounds
    JOIN palettes ON (palettes.created_at, palettes.seed) <= (bounds.last_palette_at, bounds.last_seed)
    GROUP BY ALL
),
asked AS (
    SELECT provider, model, prompt_version, max(analysis_count) AS analysis_count FROM parts GROUP BY ALL
),
-- A claim lets only one request of each place be in flight or succeeded, so these need no grouping by place.
held AS (
    SELECT
        parts.number,
        parts.provider,
        parts.model,
        count(*) FILTER (requests.state = 'in_flight') AS in_flight,
        count(*) FILTER (requests.state = 'succeeded') AS succeeded
    FROM tag_requests AS requests
    JOIN palettes USING (seed)
    JOIN parts
        ON parts.provider = requests.provider
        AND parts.model = requests.model
        AND parts.prompt_version = requests.prompt_version
        AND requests.analysis_index < parts.analysis_count
        AND (palettes.created_at, palettes.seed) <= (parts.last_palette_at, parts.last_seed)
    WHERE requests.stage = 'tagging' AND requests.state IN ('in_flight', 'succeeded')
    GROUP BY ALL
),
not_held AS (
    SELECT
        requests.seed,
        requests.provider,
        requests.model,
        requests.prompt_version,
        requests.analysis_index,
        count(*) FILTER (requests.state = 'failed') >= $max_failures AS is_quarantined,
        list(DISTINCT batches.order_number) FILTER (
            requests.state = 'released' AND batches.late_at IS NOT NULL AND batches.order_number IS NOT NULL
        ) AS late_for
    FROM tag_requests AS requests
    JOIN asked USING (provider, model, prompt_version)
    JOIN tag_batches AS batches USING (submission)
    WHERE requests.stage = 'tagging'
      AND requests.state IN ('failed', 'released')
      AND requests.analysis_index < asked.analysis_count
    GROUP BY ALL
),
settled_or_late AS (
    SELECT
        parts.number,
        parts.provider,
        parts.model,
        count(*) FILTER (not_held.is_quarantined) AS quarantined,
        count(*) FILTER (NOT not_held.is_quarantined AND parts.when_late = 'leave') AS left_late,
        count(*) FILTER (NOT not_held.is_quarantined AND parts.when_late = 'direct') AS to_call
    FROM not_held
    JOIN palettes USING (seed)
    JOIN parts
        ON parts.provider = not_held.provider
        AND parts.model = not_held.model
        AND parts.prompt_version = not_held.prompt_version
        AND not_held.analysis_index < parts.analysis_count
        AND (palettes.created_at, palettes.seed) <= (parts.last_palette_at, parts.last_seed)
    ANTI JOIN (
        SELECT seed, provider, model, prompt_version, analysis_index
        FROM tag_requests
        WHERE stage = 'tagging' AND state IN ('in_flight', 'succeeded')
    ) AS others
        ON others.seed = not_held.seed
        AND others.provider = not_held.provider
        AND others.model = not_held.model
        AND others.prompt_version = not_held.prompt_version
        AND others.analysis_index = not_held.analysis_index
    ANTI JOIN counted_for_parts AS elsewhere
        ON elsewhere.order_number = parts.number
        AND elsewhere.provider = parts.provider
        AND elsewhere.model = parts.model
        AND elsewhere.seed = not_held.seed
        AND elsewhere.analysis_index = not_held.analysis_index
    WHERE not_held.is_quarantined
       OR (parts.when_late IN ('leave', 'direct') AND list_contains(not_held.late_for, parts.number))
    GROUP BY ALL
)
SELECT
    parts.number,
    parts.provider,
    parts.model,
    coalesce(sizes.palettes, 0) * parts.analysis_count,
    coalesce(held.in_flight, 0),
    coalesce(held.succeeded, 0) + coalesce(elsewhere.analyses, 0),
    coalesce(settled_or_late.quarantined, 0),
    coalesce(settled_or_late.left_late, 0),
    coalesce(settled_or_late.to_call, 0)
FROM parts
LEFT JOIN sizes USING (last_palette_at, last_seed)
LEFT JOIN held USING (number, provider, model)
LEFT JOIN (
    SELECT order_number AS number, provider, model, count(*) AS analyses FROM counted_for_parts GROUP BY ALL
) AS elsewhere USING (number, provider, model)
LEFT JOIN settled_or_late USING (number, provider, model)
