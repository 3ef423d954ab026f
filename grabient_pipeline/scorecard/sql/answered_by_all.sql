-- Palettes with the models that answered about them under every one of these prompts, however well.
-- Parameters: versions.
CREATE OR REPLACE TEMP TABLE answered_by_all AS
SELECT seed, provider, model
FROM palette_tags
WHERE list_contains($versions::VARCHAR[], prompt_version)
GROUP BY ALL
HAVING count(DISTINCT prompt_version) = len(list_distinct($versions::VARCHAR[]))
