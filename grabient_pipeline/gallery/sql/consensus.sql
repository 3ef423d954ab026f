-- The consensus of each palette, one row per tag. `palette` is the row number in palettes.sql, from 0. `models` has the
-- positions in $models of the models that gave the tag. Parameters: models.
WITH shown AS (
    SELECT
        palettes.seed,
        row_number() OVER (ORDER BY palettes.created_at, palettes.palette_id) - 1 AS palette,
        coalesce(refined.consensus_prompt_version, newest.prompt_version) AS prompt_version
    FROM palettes
    LEFT JOIN current_refinement AS refined USING (seed)
    LEFT JOIN current_consensus AS newest USING (seed)
)
SELECT
    shown.palette,
    votes.field,
    votes.tag,
    round(100 * votes.share)::INTEGER AS percent,
    votes.answers,
    array_to_string(list_transform(votes.models, lambda model: list_position($models, model) - 1), ',') AS models
FROM consensus_tags AS votes
JOIN shown USING (seed, prompt_version)
ORDER BY shown.palette, votes.field, votes.place
