-- The newest refinements. Parameters: rows.
SELECT
    palettes.hex,
    coalesce(palettes.name, palettes.seed),
    refined.model,
    format(
        '{} model{}, {} answer{}',
        refined.consensus_models,
        if(refined.consensus_models = 1, '', 's'),
        refined.consensus_answers,
        if(refined.consensus_answers = 1, '', 's')
    ),
    array_to_string(refined.tags.mood, ', '),
    array_to_string(refined.tags.associations, ', '),
    refined.embed_text
FROM current_refinement AS refined
JOIN palettes USING (seed)
ORDER BY refined.created_at DESC, hash(refined.seed), refined.seed
LIMIT $rows
