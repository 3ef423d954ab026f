-- Imported answers by their numbers. Run `number_unnumbered` and `rank_answers` first: their tables say what the
-- migration would do with the answers that have no analysis index.
SELECT
    (SELECT count(*) FROM palette_tags WHERE convex_id IS NOT NULL AND run_number IS NULL) AS only_analysis_index,
    (SELECT count(*) FROM unnumbered_palette_tags WHERE run_number IS NOT NULL) AS only_run_number,
    (SELECT count(*) FROM palette_tags WHERE run_number IS NOT NULL) AS both,
    (SELECT count(*) FROM unnumbered_palette_tags WHERE run_number IS NULL) AS neither,
    (SELECT count(*) FROM accepted_answers WHERE run_number IS NOT NULL) AS from_run_number,
    (SELECT count(*) FROM accepted_answers WHERE run_number IS NULL AND analysis_index = 0) AS to_zero,
    (SELECT count(*) FROM accepted_answers WHERE run_number IS NULL AND analysis_index > 0) AS to_next_free,
    (SELECT count(*) FROM ranked_answers WHERE verdict <> 'new') AS collisions
