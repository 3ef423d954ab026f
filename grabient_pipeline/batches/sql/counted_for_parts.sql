-- Creates `counted_for_parts`: of each open part of a tagging order, the analyses that it does not ask for, because a model
-- that had its place and has ended has them, or an older prompt has. `part_sources` is a registered frame: number, provider,
-- model, source (provider/model, itself included). Answers about a picture count only for requests with a picture, and the
-- others for the others.
CREATE OR REPLACE TEMP TABLE counted_for_parts AS
WITH pictured AS (
    SELECT version FROM prompt_versions WHERE with_image
),
parts AS (
    SELECT
        parts.order_number, parts.provider, parts.model, parts.last_palette_at, parts.last_seed, orders.analysis_count,
        orders.prompt_version
    FROM order_parts AS parts
    JOIN orders ON orders.number = parts.order_number
    WHERE orders.stage = 'tagging' AND orders.closed_at IS NULL AND parts.closed_at IS NULL AND NOT orders.ask_again
),
sources AS (
    SELECT provider, model, source, string_split(source, '/')[1] AS source_provider, number FROM part_sources
)
SELECT DISTINCT parts.order_number, parts.provider, parts.model, requests.seed, requests.analysis_index
FROM tag_requests AS requests
JOIN sources
    ON sources.source_provider = requests.provider
    AND sources.source = requests.provider || '/' || requests.model
JOIN parts
    ON parts.order_number = sources.number AND parts.provider = sources.provider AND parts.model = sources.model
JOIN palettes USING (seed)
ANTI JOIN (
    SELECT seed, provider, model, prompt_version, analysis_index
    FROM tag_requests
    WHERE stage = 'tagging' AND state IN ('in_flight', 'succeeded')
) AS held
    ON held.seed = requests.seed
    AND held.provider = parts.provider
    AND held.model = parts.model
    AND held.prompt_version = parts.prompt_version
    AND held.analysis_index = requests.analysis_index
WHERE requests.stage = 'tagging'
  AND requests.state IN ('in_flight', 'succeeded')
  AND requests.analysis_index < parts.analysis_count
  AND (requests.provider, requests.model, requests.prompt_version)
      IS DISTINCT FROM (parts.provider, parts.model, parts.prompt_version)
  AND (requests.prompt_version IN (FROM pictured)) = (parts.prompt_version IN (FROM pictured))
  AND (palettes.created_at, palettes.seed) <= (parts.last_palette_at, parts.last_seed)
