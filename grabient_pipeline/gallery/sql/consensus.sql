-- What the models said of the palettes that the gallery shows, a tag a row; `palette` counts as the rows of
-- `gallery_palettes`, `models` are the places of those who said it in the list given. Parameters: models.
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
    said.field,
    said.tag,
    round(100 * said.share)::INTEGER AS percent,
    said.answers,
    array_to_string(list_transform(said.models, lambda model: list_position($models, model) - 1), ',') AS models
FROM consensus_tags AS said
JOIN shown USING (seed, prompt_version)
ORDER BY shown.palette, said.field, said.place
