-- Imported answers by what they are numbered by. After `place_unnumbered`, whose tables `placed` and `ranked` tell what would
-- become of those that wait.
SELECT
    (SELECT count(*) FROM palette_tags WHERE convex_id IS NOT NULL AND run_number IS NULL) AS only_analysis_index,
    (SELECT count(*) FROM unnumbered_palette_tags WHERE run_number IS NOT NULL) AS only_run_number,
    (SELECT count(*) FROM palette_tags WHERE run_number IS NOT NULL) AS both,
    (SELECT count(*) FROM unnumbered_palette_tags WHERE run_number IS NULL) AS neither,
    (SELECT count(*) FROM taken WHERE run_number IS NOT NULL) AS from_run_number,
    (SELECT count(*) FROM taken WHERE run_number IS NULL AND analysis_index = 0) AS to_zero,
    (SELECT count(*) FROM taken WHERE run_number IS NULL AND analysis_index > 0) AS to_next_free,
    (SELECT count(*) FROM ranked WHERE verdict <> 'new') AS collisions
