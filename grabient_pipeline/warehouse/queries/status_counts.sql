-- One row: how much there is of everything. Refinement comes with its own tables.
SELECT
    (SELECT count(*) FROM palettes) AS palettes,
    (SELECT count(*) FROM palette_tags) AS answers,
    (SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL) AS usable_answers,
    (SELECT coalesce(sum(cost_usd), 0) FROM tag_batches) AS cost_usd,
    (
        SELECT coalesce(sum(estimated_cost_usd), 0) FROM tag_batches
        WHERE collected_at IS NULL AND status <> 'released'
    ) AS outstanding_usd
