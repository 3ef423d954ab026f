-- Some palettes, in a random but stable order. Parameters: rows.
SELECT
    palettes.hex,
    coalesce(palettes.name, palettes.seed),
    consensus.total_models,
    consensus.total_analyses,
    array_to_string(list_transform(consensus.mood[:4], lambda entry: format('{} {:.1f}', entry.tag, entry.votes)), ', '),
    array_to_string(list_transform(consensus.style[:4], lambda entry: format('{} {:.1f}', entry.tag, entry.votes)), ', '),
    array_to_string(
        list_transform(consensus.associations[:5], lambda entry: format('{} {:.1f}', entry.tag, entry.votes)), ', '
    )
FROM current_consensus AS consensus
JOIN palettes USING (seed)
ORDER BY hash(consensus.seed), consensus.seed
LIMIT $rows
