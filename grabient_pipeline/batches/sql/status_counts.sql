-- One row with the totals of everything.
SELECT
    (SELECT count(*) FROM palettes) AS palettes,
    (SELECT count(*) FROM palette_tags) AS answers,
    (SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL) AS usable_answers,
    (SELECT count(*) FROM palette_tag_consensus) AS consensus,
    (SELECT count(*) FROM current_refinement) AS refined,
    (
        SELECT count(*) FROM current_refinement AS refined
        JOIN current_consensus AS consensus USING (seed)
        WHERE refined.consensus_digest <> consensus.digest
    ) AS stale,
    (SELECT count(DISTINCT seed) FROM palette_embeddings) AS embedded,
    (SELECT coalesce(sum(cost_usd), 0) FROM tag_batches) AS cost_usd,
    (SELECT coalesce(sum(requests), 0)::BIGINT FROM paid_and_not_kept) AS not_kept
